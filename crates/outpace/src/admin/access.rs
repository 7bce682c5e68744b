//! Keys and users by command.

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use engine::CompanyId;
use store::{NewApiKey, NewAudit, NewUser, Role, Scopes, Store, User};

use super::{Of, find};
use crate::handle::wall_clock;
use crate::{api, password, provision};

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes a new key and prints it once.
    Add {
        #[command(flatten)]
        of: Of,
        /// What it is for
        name: String,
        /// What it may do: read, write, calls, admin, personal, secrets; comma-separated
        #[arg(long, default_value = "read,write,calls,personal")]
        scopes: String,
        /// After so many days it is no longer good
        #[arg(long)]
        days: Option<u32>,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
    Revoke {
        #[command(flatten)]
        of: Of,
        /// As `list` shows it
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Adds a user; without a password one is made up and printed.
    Add {
        #[command(flatten)]
        of: Of,
        name: String,
        /// owner, supervisor, agent or read_only
        #[arg(long, default_value = "supervisor")]
        role: String,
        /// Of the agent who this user is
        #[arg(long, default_value = "")]
        extension: String,
        #[arg(long)]
        password: Option<String>,
    },
    /// Changes the password, ends the sessions; without a password one is made up and printed.
    Password {
        #[command(flatten)]
        of: Of,
        name: String,
        #[arg(long)]
        password: Option<String>,
    },
    /// Ends the sessions; the user cannot log in any more.
    Disable {
        #[command(flatten)]
        of: Of,
        name: String,
        /// Undoes it
        #[arg(long)]
        undo: bool,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
}

pub fn scopes(text: &str) -> anyhow::Result<Scopes> {
    let scopes = Scopes::parse(text).filter(|s| *s != Scopes::NONE);
    scopes.with_context(|| format!("{text:?}: use some of {}", Scopes::ALL.text()))
}

pub fn key(store: &dyn Store, command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Add { of, name, scopes: wanted, days } => {
            let company = find(store, &of)?.id;
            let (key, sha256, start) = api::made_up_key()?;
            let now = wall_clock();
            let life = days.map(|d| std::time::Duration::from_secs(u64::from(d) * 86_400));
            let (scopes, expires_at) = (scopes(&wanted)?, life.map(|d| now.plus(d)));
            let new = NewApiKey { company, name, sha256, start, scopes, expires_at };
            let added = store.add_api_key(now, &new)?;
            note(store, company, "createApiKey", &added.id.to_string())?;
            println!("key {} ({}): {key}\n(it is not shown again)", added.id, added.settings.scopes.text());
        }
        KeyCommand::List { of } => {
            for key in store.api_keys(find(store, &of)?.id)? {
                let state = if key.is_good(wall_clock()) { "good" } else { "revoked or expired" };
                let k = key.settings;
                println!("{}\t{}…\t{}\t{}\t{state}", key.id, k.start, k.name, k.scopes.text());
            }
        }
        KeyCommand::Revoke { of, id } => {
            let company = find(store, &of)?.id;
            let revoked = store.revoke_api_key(wall_clock(), company, id);
            revoked.with_context(|| format!("key {id}: see `outpace admin key list`"))?;
            note(store, company, "revokeApiKey", &id.to_string())?;
        }
    }
    Ok(())
}

pub fn user(store: &dyn Store, command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { of, name, role, extension, password } => {
            let company = find(store, &of)?.id;
            let Some(role) = Role::from_name(&role) else {
                bail!("role must be owner, supervisor, agent or read_only")
            };
            ensure!((1..=100).contains(&name.chars().count()), "a name has 1 to 100 characters");
            let known = store.extension(&extension)?.is_some_and(|e| e.company == company);
            ensure!(extension.is_empty() || known, "{extension} is no extension of this company");
            let password_hash = hashed(password)?;
            let new = NewUser { company, name, role, extension, password_hash, enabled: true };
            let added = store.add_user(wall_clock(), &new)?;
            note(store, company, "createUser", &added.settings.name)?;
        }
        UserCommand::Password { of, name, password } => {
            let (company, mut user) = find_user(store, &of, &name)?;
            user.settings.password_hash = hashed(password)?;
            store.edit_user(&user)?;
            note(store, company, "changeUser", &name)?;
        }
        UserCommand::Disable { of, name, undo } => {
            let (company, mut user) = find_user(store, &of, &name)?;
            user.settings.enabled = undo;
            store.edit_user(&user)?;
            note(store, company, "changeUser", &name)?;
        }
        UserCommand::List { of } => {
            for user in store.users(find(store, &of)?.id)? {
                let u = user.settings;
                let state = if u.enabled { "enabled" } else { "disabled" };
                println!("{}\t{}\t{state}\t{}", u.name, u.role.name(), u.extension);
            }
        }
    }
    Ok(())
}

fn find_user(store: &dyn Store, of: &Of, name: &str) -> anyhow::Result<(CompanyId, User)> {
    let company = find(store, of)?.id;
    let user = store.user(company, name)?;
    Ok((company, user.with_context(|| format!("no user {name:?}: see `outpace admin user list`"))?))
}

/// Of the password, or of one that is made up and printed.
fn hashed(given: Option<String>) -> anyhow::Result<String> {
    let chars = password::CHARS_MIN..=password::CHARS_MAX;
    let chosen = match given {
        Some(given) => given,
        None => {
            let made_up = provision::random_hex(10)?;
            println!("password {made_up}\n(it is not shown again)");
            made_up
        }
    };
    ensure!(
        chars.contains(&chosen.chars().count()),
        "a password has {} to {} characters",
        chars.start(),
        chars.end()
    );
    password::hash(&chosen)
}

fn note(store: &dyn Store, company: CompanyId, action: &str, target: &str) -> anyhow::Result<()> {
    store.put_audit(&NewAudit {
        company,
        at: wall_clock(),
        who: "admin".to_owned(),
        address: String::new(),
        action: action.to_owned(),
        target: target.to_owned(),
        status: 200,
        details: "{}".to_owned(),
    })?;
    Ok(())
}
