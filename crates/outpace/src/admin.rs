//! `outpace admin …`: companies, keys, users, extensions, groups, trunks, caller ids, pushes, do-not-call lists and
//! compliance by command. A running server sees a change within a few seconds.

mod access;
mod compliance;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use engine::CompanyId;
use store::{CallerId, Company, Event, NewCompany, NewTrunk, PushSettings, Store};

use crate::config::GroupConfig;
use crate::handle::wall_clock;
use crate::switch::trunks::settings;
use crate::{provision, push};

#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Companies: the tenants.
    #[command(subcommand)]
    Company(CompanyCommand),
    /// API keys: appid and accesskey.
    #[command(subcommand)]
    App(AppCommand),
    /// Extensions: the SIP accounts of agents.
    #[command(subcommand)]
    Extension(ExtensionCommand),
    /// Groups of agents.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Trunks: the SIP peers that calls go through.
    #[command(subcommand)]
    Trunk(TrunkCommand),
    /// Caller ids: the numbers that customers see.
    #[command(subcommand)]
    CallerId(CallerIdCommand),
    /// Pushes: the URLs that are told what happens, and what could not be told.
    #[command(subcommand)]
    Push(PushCommand),
    /// API keys of /v1.
    #[command(subcommand)]
    Key(access::KeyCommand),
    /// Users: people who log in.
    #[command(subcommand)]
    User(access::UserCommand),
    /// Do-not-call lists: numbers that are never dialed.
    #[command(subcommand)]
    Dnc(compliance::DncCommand),
    /// Call windows, holidays, frequency caps, lock-out; what was refused.
    #[command(subcommand)]
    Compliance(compliance::ComplianceCommand),
}

#[derive(Debug, Subcommand)]
pub enum CompanyCommand {
    Add {
        code: String,
        #[arg(long, default_value = "")]
        name: String,
        #[arg(long, default_value = "Asia/Shanghai")]
        time_zone: String,
        /// zh or en
        #[arg(long, default_value = "zh")]
        language: String,
        /// errors.code as a JSON int
        #[arg(long)]
        int_codes: bool,
    },
    List,
}

/// Which company a command is about.
#[derive(Debug, Args)]
pub struct Of {
    /// Code of the company
    #[arg(long, default_value = "1")]
    company: String,
}

#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Makes a new key and prints it once.
    Add {
        #[command(flatten)]
        of: Of,
        /// What its tokens may do: read, write, calls, admin, personal, secrets; comma-separated
        #[arg(long, default_value = "read,write,calls,admin,personal,secrets")]
        scopes: String,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Subcommand)]
pub enum ExtensionCommand {
    /// Adds or changes one; without a password one is made up and printed.
    Add {
        #[command(flatten)]
        of: Of,
        number: String,
        #[arg(long)]
        password: Option<String>,
        #[arg(long)]
        disabled: bool,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    Add {
        #[command(flatten)]
        of: Of,
        name: String,
        /// 1 longest idle, 2 least talk time, 3 ring all, 4 round robin, 5 in order, 6 random, 7 fewest calls, 8 priority
        #[arg(long, default_value_t = 1)]
        strategy: i64,
        /// Extensions, comma-separated
        #[arg(long, value_delimiter = ',')]
        members: Vec<String>,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Subcommand)]
pub enum TrunkCommand {
    Add {
        #[command(flatten)]
        of: Of,
        name: String,
        /// host:port
        address: String,
        /// udp, tcp or tls
        #[arg(long, default_value = "udp")]
        transport: String,
        #[arg(long, default_value = "")]
        username: String,
        #[arg(long, default_value = "")]
        password: String,
        /// Register with the trunk
        #[arg(long)]
        register: bool,
        /// Put before every number
        #[arg(long, default_value = "")]
        prefix: String,
        #[arg(long, default_value_t = 100)]
        channels_max: u32,
        /// New calls per second; 0: no limit
        #[arg(long, default_value_t = 0)]
        cps_max: u32,
        #[arg(long)]
        disabled: bool,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Subcommand)]
pub enum CallerIdCommand {
    Add {
        #[command(flatten)]
        of: Of,
        number: String,
        /// Not for automatic calls
        #[arg(long)]
        manual_only: bool,
        #[arg(long)]
        disabled: bool,
    },
    List {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Subcommand)]
pub enum PushCommand {
    /// Changes what is given, keeps the rest. An empty URL: not told any more.
    Set {
        #[command(flatten)]
        of: Of,
        #[arg(long)]
        task_status_url: Option<String>,
        #[arg(long)]
        extension_state_url: Option<String>,
        #[arg(long)]
        bill_url: Option<String>,
        /// Extension states as a form field `detail`
        #[arg(long)]
        detail_form: Option<bool>,
        /// Key of the signature
        #[arg(long)]
        secret: Option<String>,
        /// Whether the URLs may lead to private addresses
        #[arg(long)]
        allow_private: Option<bool>,
    },
    /// What could not be told within a day: id, kind, failures, the last reason, body.
    Dead {
        #[command(flatten)]
        of: Of,
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Tells dead events again.
    Resend {
        #[command(flatten)]
        of: Of,
        /// Ids as `dead` shows them
        #[arg(required_unless_present = "all")]
        events: Vec<i64>,
        /// All that are dead
        #[arg(long, conflicts_with = "events")]
        all: bool,
    },
}

pub fn run(store: &dyn Store, command: Admin) -> anyhow::Result<()> {
    match command {
        Admin::Company(c) => company(store, c),
        Admin::App(c) => app(store, c),
        Admin::Extension(c) => extension(store, c),
        Admin::Group(c) => group(store, c),
        Admin::Trunk(c) => trunk(store, c),
        Admin::CallerId(c) => caller_id(store, c),
        Admin::Push(c) => pushes(store, c),
        Admin::Key(c) => access::key(store, c),
        Admin::User(c) => access::user(store, c),
        Admin::Dnc(c) => compliance::dnc(store, c),
        Admin::Compliance(c) => compliance::compliance(store, c),
    }
}

fn find(store: &dyn Store, of: &Of) -> anyhow::Result<Company> {
    store
        .companies()?
        .into_iter()
        .find(|c| c.settings.code == of.company)
        .with_context(|| format!("no company {:?}: see `outpace admin company list`", of.company))
}

fn company(store: &dyn Store, command: CompanyCommand) -> anyhow::Result<()> {
    match command {
        CompanyCommand::Add { code, name, time_zone, language, int_codes } => {
            ensure!(jiff::tz::TimeZone::get(&time_zone).is_ok(), "{time_zone:?} is not an IANA time zone");
            ensure!(matches!(language.as_str(), "zh" | "en"), "language must be zh or en");
            let name = if name.is_empty() { code.clone() } else { name };
            let (licensed_until, allow_from) = (None, Vec::new());
            let new = NewCompany { code, name, time_zone, language, int_codes, licensed_until, allow_from };
            let added = store.put_company(&new)?;
            println!("company {} ({})", added.settings.code, added.settings.name);
        }
        CompanyCommand::List => {
            for c in store.companies()? {
                println!(
                    "{}\t{}\t{}\t{}",
                    c.settings.code, c.settings.name, c.settings.time_zone, c.settings.language
                );
            }
        }
    }
    Ok(())
}

fn app(store: &dyn Store, command: AppCommand) -> anyhow::Result<()> {
    match command {
        AppCommand::Add { of, scopes } => {
            let company = find(store, &of)?;
            let scopes = access::scopes(&scopes)?;
            let (appid, accesskey) = (provision::random_hex(8)?, provision::random_hex(16)?);
            provision::put_app(store, company.id, &appid, &accesskey, Some(scopes))?;
            println!("appid {appid}\naccesskey {accesskey}\n(the accesskey is not shown again)");
        }
        AppCommand::List { of } => {
            for key in store.app_keys(find(store, &of)?.id)? {
                let state = if key.enabled { "enabled" } else { "disabled" };
                println!("{}\t{state}\t{}", key.appid, key.scopes.text());
            }
        }
    }
    Ok(())
}

fn extension(store: &dyn Store, command: ExtensionCommand) -> anyhow::Result<()> {
    match command {
        ExtensionCommand::Add { of, number, password, disabled } => {
            let company = find(store, &of)?;
            let password = match password {
                Some(password) => password,
                None => provision::random_hex(8)?,
            };
            provision::put_extension(store, company.id, &number, &password, !disabled)?;
            println!("extension {number} password {password}");
        }
        ExtensionCommand::List { of } => {
            for e in store.extensions(Some(find(store, &of)?.id))? {
                println!("{}\t{}", e.number, if e.enabled { "enabled" } else { "disabled" });
            }
        }
    }
    Ok(())
}

fn group(store: &dyn Store, command: GroupCommand) -> anyhow::Result<()> {
    match command {
        GroupCommand::Add { of, name, strategy, members } => {
            let company = find(store, &of)?;
            provision::put_group(store, &company, &GroupConfig { name, strategy, members, sign_in: false })?;
        }
        GroupCommand::List { of } => {
            for g in store.groups(find(store, &of)?.id)? {
                println!("{}\tstrategy {}\t{} members", g.name, g.strategy.code(), g.members.len());
            }
        }
    }
    Ok(())
}

fn trunk(store: &dyn Store, command: TrunkCommand) -> anyhow::Result<()> {
    match command {
        TrunkCommand::Add {
            of,
            name,
            address,
            transport,
            username,
            password,
            register,
            prefix,
            channels_max,
            cps_max,
            disabled,
        } => {
            let company = find(store, &of)?.id;
            let enabled = !disabled;
            let known = store.trunks(company)?.into_iter().find(|t| t.settings.name == name);
            let details = known.map(|t| t.settings.details).unwrap_or_default();
            let trunk = NewTrunk {
                company,
                name,
                address,
                transport,
                username,
                password,
                register,
                prefix,
                channels_max,
                cps_max,
                enabled,
                details,
            };
            settings::check(&trunk).map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
            let added = store.put_trunk(&trunk)?;
            println!("trunk {} to {}", added.settings.name, added.settings.address);
        }
        TrunkCommand::List { of } => {
            for t in store.trunks(find(store, &of)?.id)? {
                let s = t.settings;
                println!("{}\t{}/{}\t{} channels", s.name, s.address, s.transport, s.channels_max);
            }
        }
    }
    Ok(())
}

fn caller_id(store: &dyn Store, command: CallerIdCommand) -> anyhow::Result<()> {
    match command {
        CallerIdCommand::Add { of, number, manual_only, disabled } => {
            let company = find(store, &of)?.id;
            let known = store.caller_ids(company)?.into_iter().find(|known| known.number == number);
            store.put_caller_id(&CallerId {
                company,
                number,
                enabled: !disabled,
                automatic: !manual_only,
                inbound: known.as_ref().and_then(|known| known.inbound),
                inbound_group: known.map(|known| known.inbound_group).unwrap_or_default(),
            })?;
        }
        CallerIdCommand::List { of } => {
            for c in store.caller_ids(find(store, &of)?.id)? {
                let state = if c.enabled { "enabled" } else { "disabled" };
                println!("{}\t{state}\t{}", c.number, if c.automatic { "automatic" } else { "manual only" });
            }
        }
    }
    Ok(())
}

fn pushes(store: &dyn Store, command: PushCommand) -> anyhow::Result<()> {
    match command {
        PushCommand::Set {
            of,
            task_status_url,
            extension_state_url,
            bill_url,
            detail_form,
            secret,
            allow_private,
        } => {
            let company = find(store, &of)?.id;
            for url in [&task_status_url, &extension_state_url, &bill_url].into_iter().flatten() {
                if !url.is_empty() {
                    push::check_url(url).map_err(|why| anyhow::anyhow!("{url:?}: {why}"))?;
                }
            }
            let known = store.pushes()?.into_iter().find(|p| p.company == company);
            let known = known.unwrap_or_else(|| no_pushes(company));
            store.put_pushes(&PushSettings {
                company,
                task_status_url: task_status_url.unwrap_or(known.task_status_url),
                extension_state_url: extension_state_url.unwrap_or(known.extension_state_url),
                bill_url: bill_url.unwrap_or(known.bill_url),
                detail_form: detail_form.unwrap_or(known.detail_form),
                secret: secret.unwrap_or(known.secret),
                allow_private: allow_private.unwrap_or(known.allow_private),
            })?;
        }
        PushCommand::Dead { of, limit } => {
            for Event { id, kind, attempts, error, body, .. } in
                store.dead_events(find(store, &of)?.id, limit)?
            {
                println!("{id}\t{}\t{attempts}\t{error}\t{body}", kind.name());
            }
        }
        PushCommand::Resend { of, events, all } => {
            let company = find(store, &of)?.id;
            let resent = if all { resend_all(store, company)? } else { resend(store, company, &events)? };
            println!("{resent} events are told again");
        }
    }
    Ok(())
}

fn no_pushes(company: CompanyId) -> PushSettings {
    let (task_status_url, extension_state_url, bill_url) = (String::new(), String::new(), String::new());
    let (detail_form, secret, allow_private) = (false, String::new(), true);
    PushSettings {
        company,
        task_status_url,
        extension_state_url,
        bill_url,
        detail_form,
        secret,
        allow_private,
    }
}

fn resend(store: &dyn Store, company: CompanyId, events: &[i64]) -> anyhow::Result<usize> {
    for event in events {
        let resent = store.resend_event(wall_clock(), company, *event);
        resent.with_context(|| format!("event {event}: see `outpace admin push dead`"))?;
    }
    Ok(events.len())
}

fn resend_all(store: &dyn Store, company: CompanyId) -> anyhow::Result<usize> {
    let mut resent = 0;
    loop {
        let dead: Vec<i64> = store.dead_events(company, 1000)?.into_iter().map(|e| e.id).collect();
        if dead.is_empty() {
            return Ok(resent);
        }
        // In the order of their ids, so that the events of a call keep theirs.
        resent += resend(store, company, &dead)?;
    }
}
