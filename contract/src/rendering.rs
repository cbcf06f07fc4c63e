//! Other forms of an access key, for consumers that cannot read the usual fields.

/// A form in which the secret's value holds the key once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rendering {
    /// `SmtpUserName` and `SmtpPassword`, for the SMTP interface of Amazon SES in the secret's region.
    Smtp,
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, for tools that turn fields into environment variables.
    Environment,
    /// `CredentialsFile`, the text of a shared credentials file with the profile `default`.
    CredentialsFile,
}
