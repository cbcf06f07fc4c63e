"""The types of resources that moto's CloudFormation passes over. What they make is in moto's own services."""

import json

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

# moto asks a model for the module of its service.
MODULE = "moto.second_opinion"


class Resource:
    def __init__(self, name, arn=None):
        self.physical_resource_id, self.arn = name, arn

    @staticmethod
    def cloudformation_name_type():
        return ""

    @classmethod
    def has_cfn_attr(cls, attr):
        return attr == "Arn"

    def get_cfn_attribute(self, attribute):
        return {"Arn": self.arn}[attribute]

    def is_created(self):
        return True

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
        return cls.put(resource_name, cloudformation_json["Properties"], account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return cls.put(new_resource_name, cloudformation_json["Properties"], account_id, region_name)


class Alarm(Resource, CloudFormationModel):
    __module__ = MODULE

    @staticmethod
    def cloudformation_type():
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def put(cls, name, properties, account, region):
        alarm = cloudwatch_backends[account][region].put_metric_alarm(
            name=properties.get("AlarmName", name),
            namespace=properties.get("Namespace"),
            metric_name=properties.get("MetricName"),
            comparison_operator=properties["ComparisonOperator"],
            evaluation_periods=int(properties["EvaluationPeriods"]),
            period=properties.get("Period"),
            threshold=float(properties["Threshold"]),
            statistic=properties.get("Statistic"),
            description=properties.get("AlarmDescription"),
            dimensions=properties.get("Dimensions", []),
            alarm_actions=properties.get("AlarmActions", []),
        )
        return cls(alarm.name, alarm.alarm_arn)

    def delete(self, account, region):
        cloudwatch_backends[account][region].delete_alarms([self.physical_resource_id])


class BucketPolicy(Resource, CloudFormationModel):
    __module__ = MODULE

    @staticmethod
    def cloudformation_type():
        return "AWS::S3::BucketPolicy"

    @classmethod
    def put(cls, _name, properties, account, _region):
        policy = json.dumps(properties["PolicyDocument"]).encode()
        s3_backends[account]["aws"].put_bucket_policy(properties["Bucket"], policy)
        return cls(properties["Bucket"])

    def delete(self, account, _region):
        # moto deletes in any order.
        if self.physical_resource_id in s3_backends[account]["aws"].buckets:
            s3_backends[account]["aws"].delete_bucket_policy(self.physical_resource_id)


class Secret(Resource, CloudFormationModel):
    __module__ = MODULE

    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::Secret"

    @classmethod
    def put(cls, name, properties, account, region):
        secrets = secretsmanager_backends[account][region]
        name, tags, about = properties.get("Name", name), properties.get("Tags", []), properties.get("Description")
        if name in secrets.secrets:
            secrets.update_secret(name, description=about, client_request_token="00000000-0000-4000-8000-000000000000")
            secrets.secrets[name].tags = tags
        else:
            value, key = properties.get("SecretString"), properties.get("KmsKeyId")
            secrets.create_secret(name, value, None, about, tags, key, None, [], False)
        return cls(secrets.secrets[name].arn)

    def delete(self, account, region):
        secretsmanager_backends[account][region].delete_secret(self.physical_resource_id, None, True)


class RotationSchedule(Resource, CloudFormationModel):
    __module__ = MODULE

    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::RotationSchedule"

    @classmethod
    def put(cls, _name, properties, account, region):
        secretsmanager_backends[account][region].rotate_secret(
            properties["SecretId"],
            rotation_lambda_arn=properties["RotationLambdaARN"],
            rotation_rules=properties["RotationRules"],
            rotate_immediately=properties.get("RotateImmediatelyOnUpdate", True),
        )
        return cls(properties["SecretId"])

    def delete(self, account, region):
        secretsmanager_backends[account][region].cancel_rotate_secret(self.physical_resource_id)


ADDED = [Alarm, BucketPolicy, Secret, RotationSchedule]
