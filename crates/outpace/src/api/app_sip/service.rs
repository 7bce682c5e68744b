//! The routing table: every service with its name, its texts and its function.

use super::code::{Language, Ret, Text};
use super::envelope::{Descriptions, Failure, Reply};
use super::request::Fields;
use super::{
    Caller, call, caller_id, cdr, extension, group, queue, recording, status, task, task_create, task_info,
    task_list,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    Login,
    Logout,
    TaskCreat,
    TaskAdd,
    TaskSet,
    TaskList,
    TaskInfo,
    TaskCall,
    TaskDelPhone,
    GetSipnumberInfo,
    GetSipCallStatus,
    GetSipRegisterStatus,
    GetSipValidStatus,
    AddExtgroup,
    GetExtgroupInfo,
    DelExtgroup,
    AddExtnumber,
    DelExtnumber,
    AddQueue,
    EditQueue,
    GetQueueList,
    SipSignIn,
    SipSignOut,
    SetSeatsStatus,
    GetQueueSipStatus,
    GetDisnumberInfo,
    GetRecodeFile,
    MakeCall,
    MakePloyCall,
    HangupCall,
    SpyCall,
    ForceCall,
    TransferCall,
    GetBill,
}

const SERVICES: [(&str, Service); 34] = [
    ("App.Sip_Auth.Login", Service::Login),
    ("App.Sip_Auth.Logout", Service::Logout),
    ("App.Sip_Yccall.TaskCreat", Service::TaskCreat),
    ("App.Sip_Yccall.TaskAdd", Service::TaskAdd),
    ("App.Sip_Yccall.TaskSet", Service::TaskSet),
    ("App.Sip_Yccall.TaskList", Service::TaskList),
    ("App.Sip_Yccall.TaskInfo", Service::TaskInfo),
    ("App.Sip_Yccall.taskCall", Service::TaskCall),
    ("App.Sip_Yccall.taskDelPhone", Service::TaskDelPhone),
    ("App.Sip_Sipnum.GetSipnumberInfo", Service::GetSipnumberInfo),
    ("App.Sip_Status.GetSipCallStatus", Service::GetSipCallStatus),
    ("App.Sip_Status.GetSipRegisterStatus", Service::GetSipRegisterStatus),
    ("App.Sip_Status.GetSipValidStatus", Service::GetSipValidStatus),
    ("App.Sip_Extgroup.AddExtgroup", Service::AddExtgroup),
    ("App.Sip_Extgroup.GetExtgroupInfo", Service::GetExtgroupInfo),
    ("App.Sip_Extgroup.DelExtgroup", Service::DelExtgroup),
    ("App.Sip_Extgroup.AddExtnumber", Service::AddExtnumber),
    ("App.Sip_Extgroup.DelExtnumber", Service::DelExtnumber),
    ("App.Sip_Queue.AddQueue", Service::AddQueue),
    ("App.Sip_Queue.EditQueue", Service::EditQueue),
    ("App.Sip_Queue.GetQueueList", Service::GetQueueList),
    ("App.Sip_Queue.SipSignIn", Service::SipSignIn),
    ("App.Sip_Queue.SipSignOut", Service::SipSignOut),
    ("App.Sip_Queue.SetSeatsStatus", Service::SetSeatsStatus),
    ("App.Sip_Queue.GetQueueSipStatus", Service::GetQueueSipStatus),
    ("App.Sip_Disnum.GetDisnumberInfo", Service::GetDisnumberInfo),
    ("App.Sip_Cdr.GetRecodeFile", Service::GetRecodeFile),
    ("App.Sip_Call.MakeCall", Service::MakeCall),
    ("App.Sip_Call.MakePloyCall", Service::MakePloyCall),
    ("App.Sip_Call.HangupCall", Service::HangupCall),
    ("App.Sip_Call.SpyCall", Service::SpyCall),
    ("App.Sip_Call.ForceCall", Service::ForceCall),
    ("App.Sip_Call.TransferCall", Service::TransferCall),
    ("App.Sip_Cdr.GetBill", Service::GetBill),
];

const GRANTED: Descriptions = Descriptions {
    done: Text::new("授权成功", "Authorized"),
    failed: Text::new("授权失败", "Authorization failed"),
};
const LOGGED_OUT: Descriptions = Descriptions {
    done: Text::new("注销成功", "Logged out"),
    failed: Text::new("注销失败", "Logout failed"),
};
const CREATED: Descriptions = Descriptions {
    done: Text::new("创建成功", "Created"),
    failed: Text::new("创建失败", "Create failed"),
};
const APPENDED: Descriptions = Descriptions {
    done: Text::new("追加成功", "Appended"),
    failed: Text::new("追加失败", "Append failed"),
};
const SET: Descriptions =
    Descriptions { done: Text::new("设置成功", "Set"), failed: Text::new("设置失败", "Set failed") };
const FETCHED: Descriptions = Descriptions {
    done: Text::new("获取成功", "Fetched"),
    failed: Text::new("获取失败", "Fetch failed"),
};
const DELETED: Descriptions = Descriptions {
    done: Text::new("删除成功", "Deleted"),
    failed: Text::new("删除失败", "Delete failed"),
};
const ADDED: Descriptions = Descriptions {
    done: Text::new("添加成功", "Added"),
    failed: Text::new("添加失败", "Add failed"),
};
const CHANGED: Descriptions = Descriptions {
    done: Text::new("修改成功", "Changed"),
    failed: Text::new("修改失败", "Change failed"),
};
const SIGNED_IN: Descriptions = Descriptions {
    done: Text::new("签入成功", "Signed in"),
    failed: Text::new("签入失败", "Sign-in failed"),
};
const SIGNED_OUT: Descriptions = Descriptions {
    done: Text::new("签出成功", "Signed out"),
    failed: Text::new("签出失败", "Sign-out failed"),
};
const REQUESTED: Descriptions = Descriptions {
    done: Text::new("请求成功", "Requested"),
    failed: Text::new("请求失败", "Request failed"),
};

impl Service {
    /// By the field `service` or `s`; 400 when there is none, 404 when it names no service.
    pub fn of(fields: &Fields, language: Language) -> Result<Service, Failure> {
        let name = fields.text("service").filter(|n| !n.is_empty()).or_else(|| fields.text("s"));
        let name = name.filter(|n| !n.is_empty()).ok_or_else(|| Failure::missing(language, "service"))?;
        Service::named(name).ok_or_else(|| {
            let name: String = name.chars().take(128).collect();
            let message = match language {
                Language::Chinese => format!("非法请求：接口服务{name}不存在"),
                Language::English => format!("Bad request: service {name} does not exist"),
            };
            Failure::Platform { ret: Ret::NotFound, message: Some(message) }
        })
    }

    /// The action, after the last dot, in any case; what is before it as written.
    fn named(name: &str) -> Option<Service> {
        let (area, action) = name.rsplit_once('.')?;
        let is_it = |known: &str| {
            known.rsplit_once('.').is_some_and(|(a, b)| a == area && b.eq_ignore_ascii_case(action))
        };
        SERVICES.iter().find(|(known, _)| is_it(known)).map(|(_, service)| *service)
    }

    pub fn name(self) -> &'static str {
        SERVICES.iter().find(|(_, service)| *service == self).map_or("", |(name, _)| name)
    }

    pub const fn descriptions(self) -> Descriptions {
        match self {
            Service::Login => GRANTED,
            Service::Logout => LOGGED_OUT,
            Service::TaskCreat => CREATED,
            Service::TaskAdd => APPENDED,
            Service::TaskSet | Service::TaskCall | Service::SetSeatsStatus => SET,
            Service::TaskDelPhone | Service::DelExtgroup | Service::DelExtnumber => DELETED,
            Service::AddExtgroup | Service::AddExtnumber | Service::AddQueue => ADDED,
            Service::EditQueue => CHANGED,
            Service::SipSignIn => SIGNED_IN,
            Service::SipSignOut => SIGNED_OUT,
            Service::MakeCall
            | Service::MakePloyCall
            | Service::HangupCall
            | Service::SpyCall
            | Service::ForceCall
            | Service::TransferCall => REQUESTED,
            _ => FETCHED,
        }
    }

    /// Whether it goes into the audit trail. Fetching bills is reading, though a bill is handed out once.
    pub const fn changes(self) -> bool {
        matches!(
            self,
            Service::TaskCreat
                | Service::TaskAdd
                | Service::TaskSet
                | Service::TaskCall
                | Service::TaskDelPhone
                | Service::AddExtgroup
                | Service::DelExtgroup
                | Service::AddExtnumber
                | Service::DelExtnumber
                | Service::AddQueue
                | Service::EditQueue
                | Service::SipSignIn
                | Service::SipSignOut
                | Service::SetSeatsStatus
                | Service::HangupCall
                | Service::MakeCall
                | Service::MakePloyCall
                | Service::TransferCall
                | Service::SpyCall
                | Service::ForceCall
        )
    }

    pub async fn run(self, caller: &Caller) -> Reply {
        match self {
            // These need no token, or end it: they are answered before there is a caller.
            Service::Login | Service::Logout => Err(Failure::from(Ret::Internal)),
            Service::TaskCreat => task_create::create(caller).await,
            Service::TaskAdd => task::append(caller).await,
            Service::TaskSet => task::set(caller).await,
            Service::TaskList => task_list::list(caller).await,
            Service::TaskInfo => task_info::info(caller).await,
            Service::TaskCall => task::call_again(caller).await,
            Service::TaskDelPhone => task::delete_numbers(caller).await,
            Service::GetSipnumberInfo => extension::list(caller).await,
            Service::GetSipCallStatus => status::calls(caller).await,
            Service::GetSipRegisterStatus => status::registrations(caller).await,
            Service::GetSipValidStatus => status::validity(caller).await,
            Service::AddExtgroup => group::add(caller).await,
            Service::GetExtgroupInfo => group::list(caller).await,
            Service::DelExtgroup => group::delete(caller).await,
            Service::AddExtnumber => group::add_members(caller).await,
            Service::DelExtnumber => group::delete_members(caller).await,
            Service::AddQueue => queue::add(caller).await,
            Service::EditQueue => queue::edit(caller).await,
            Service::GetQueueList => queue::list(caller).await,
            Service::SipSignIn => queue::sign_in(caller).await,
            Service::SipSignOut => queue::sign_out(caller).await,
            Service::SetSeatsStatus => queue::set_seat(caller).await,
            Service::GetQueueSipStatus => queue::seats(caller).await,
            Service::GetDisnumberInfo => caller_id::list(caller).await,
            Service::GetRecodeFile => recording::link(caller).await,
            Service::MakeCall => call::make(caller).await,
            Service::MakePloyCall => call::make_by_policy(caller).await,
            Service::HangupCall => call::hang_up(caller).await,
            Service::SpyCall => call::spy(caller).await,
            Service::ForceCall => call::force(caller).await,
            Service::TransferCall => call::transfer(caller).await,
            Service::GetBill => cdr::bills(caller).await,
        }
    }
}

#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_found_by_its_name() {
        for (name, service) in SERVICES {
            assert_eq!(Service::named(name), Some(service));
            assert_eq!(service.name(), name);
        }
    }

    #[test]
    fn only_the_action_is_case_insensitive() {
        assert_eq!(Service::named("App.Sip_Yccall.TASKcall"), Some(Service::TaskCall));
        assert_eq!(Service::named("app.sip_yccall.taskCall"), None);
        assert_eq!(Service::named("taskCall"), None);
    }
}
