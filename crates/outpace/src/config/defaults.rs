//! What each key is when nothing sets it.

use super::*;

impl Default for Server {
    fn default() -> Server {
        Server {
            data: "data".into(),
            store: StoreKind::Sqlite,
            drain_s: 120,
            seal_key: None,
            seal_numbers: false,
        }
    }
}

impl Default for Api {
    fn default() -> Api {
        Api {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            body_max_bytes: 16 << 20,
            request_timeout_s: 30,
            requests_per_second_max: 1000,
            login_failures_per_minute_max: 10,
            upload_max_bytes: 256 << 20,
            upload_rows_max: 2_000_000,
            upload_timeout_s: 600,
            upload_report_keep_days: 7,
            show_extension_passwords: true,
            audit_keep_days: 400,
        }
    }
}

impl Default for Sip {
    fn default() -> Sip {
        Sip {
            listen: SocketAddr::from(([0, 0, 0, 0], 5060)),
            advertise: None,
            realm: "outpace".into(),
            digest: DigestAlgorithms::Md5,
            session_expires_s: 600,
            register_expires_min_s: 30,
            register_expires_max_s: 3600,
            invites_per_second_max: 2000,
            user_agent: None,
            tls_listen: None,
            ws_listen: None,
            wss_listen: None,
            tls_cert: None,
            tls_key: None,
            ws_origins: Vec::new(),
            dns: Vec::new(),
        }
    }
}

impl Default for Media {
    fn default() -> Media {
        Media {
            bind: None,
            port_first: 20000,
            port_last: 29999,
            rtp_timeout_s: 30,
            abandon_message: None,
            hold_music: None,
            busy_message: None,
            srtp: SrtpPolicy::Optional,
            codecs: vec![Format::Pcma, Format::Pcmu, Format::G722, Format::Opus],
            transcoded_max: 64,
        }
    }
}

impl Default for Dialing {
    fn default() -> Dialing {
        Dialing {
            answer_wait_ms: 2000,
            offer_timeout_ms: 1000,
            no_answer_s: 25.0,
            ring_min_s: 15.0,
            give_up_late: true,
            setup_timeout_s: 32.0,
            message_max_s: 30,
            wrap_up_s: 3.0,
            miss_pause_s: 3.0,
            misses_max: 3,
            ring_agent_s: 30.0,
            ring_outside_s: 60.0,
            agent_legs: AgentLegs::RungPerCall,
        }
    }
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { busy_s: 60, no_answer_s: 120, failed_s: 60, lost_s: 10 }
    }
}

impl Default for Recording {
    fn default() -> Recording {
        Recording {
            enabled: false,
            format: RecordingFormat::Wav,
            dir: None,
            keep_days: 90,
            disk_min_free_mb: 500,
            download_url: None,
        }
    }
}

impl Default for Detection {
    fn default() -> Detection {
        Detection {
            early_media: true,
            plans: vec![TonePlan::Cn],
            amd: false,
            amd_limit_s: 4.0,
            amd_false_positive_percent: 0.5,
            listeners_max: 500,
            key_tones_max: 2000,
        }
    }
}
