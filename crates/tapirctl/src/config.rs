//! `zeekctl.cfg`: options with defaults and `${Other}` in their values. `tapirctl.cfg` is read instead where it exists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Options that a file may set, with their defaults. What this tool has no use for is read all the same.
const DEFAULTS: &[(&str, &str)] = &[
    ("ClusterBackend", "ZeroMQ"),
    ("CommTimeout", "10"),
    ("CommandTimeout", "60"),
    ("CompressLogs", "1"),
    ("CompressCmd", "gzip"),
    ("CompressExtension", "gz"),
    ("CompressLogsInFlight", "0"),
    ("ControlTopic", "zeek/control"),
    ("CrashExpireInterval", "0"),
    ("CronCmd", ""),
    ("Debug", "0"),
    ("Env_Vars", ""),
    ("HaveNFS", "0"),
    ("KeepLogs", ""),
    ("LogDir", "${ZeekBase}/logs"),
    ("LogExpireInterval", "0"),
    ("LogRotationInterval", "3600"),
    ("MailAlarmsInterval", "86400"),
    ("MailAlarmsTo", "${MailTo}"),
    ("MailTo", "root@localhost"),
    ("MailFrom", "Zeek <zeek@localhost>"),
    ("MailReplyTo", ""),
    ("MailSubjectPrefix", "[Zeek]"),
    ("MailArchiveLogFail", "1"),
    ("MailConnectionSummary", "1"),
    ("MailHostUpDown", "1"),
    ("MailReceivingPackets", "1"),
    ("MakeArchiveName", ""),
    ("MemLimit", "unlimited"),
    ("MetricsAddress", "127.0.0.1"),
    ("MetricsPort", "9991"),
    ("MinDiskSpace", "5"),
    ("PcapBufsize", "128"),
    ("PcapSnaplen", "9216"),
    ("PFRINGClusterID", "21"),
    ("PFRINGClusterType", "4-tuple"),
    ("PFRINGFirstAppInstance", "0"),
    ("Prefixes", "local"),
    ("PrivateAddressSpaceIsLocal", "1"),
    ("SaveTraces", "0"),
    ("SendMail", ""),
    ("SitePolicyPath", "${ZeekBase}/share/zeek/site"),
    ("SitePolicyScripts", "local.zeek"),
    ("SitePluginPath", ""),
    ("SpoolDir", "${ZeekBase}/spool"),
    ("CfgDir", "${ZeekBase}/etc"),
    ("FileExtractDir", "${SpoolDir}/extract_files"),
    ("DefaultStoreDir", "${SpoolDir}/stores"),
    ("BrokerDBDir", "${SpoolDir}/brokerstore"),
    ("StatsLogEnable", "1"),
    ("StatsLogExpireInterval", "0"),
    ("StatusCmdShowAll", "0"),
    ("StopTimeout", "60"),
    ("StopWait", "0"),
    ("TimeFmt", "%d %b %H:%M:%S"),
    ("TimeMachineHost", ""),
    ("TimeMachinePort", "47757/tcp"),
    ("UseWebSocket", "1"),
    ("WebSocketHost", "127.0.0.1"),
    ("WebSocketPort", "27759"),
    ("WebSocketTimeout", "10"),
    (
        "WebSocketUrl",
        "ws://${WebSocketHost}:${WebSocketPort}/v1/messages/json",
    ),
    ("ZeekArgs", ""),
    ("ZeekBase", ""),
    ("ZeekPort", "27760"),
    ("Zeek", ""),
    ("cluster_backend_zeromq.disable_unencrypted_warning", "0"),
    ("cluster_backend_zeromq.use_curve_encryption", "auto"),
    ("cluster_backend_zeromq.curve_dir", "${SpoolDir}/zeromq/curve"),
    ("lb_custom.InterfacePrefix", ""),
    ("lb_custom.InterfaceSuffix", ""),
];

/// Where systems keep the program that sends mail.
const MAILERS: [&str; 3] = ["/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/sendmail"];

/// Options that are numbers, with the least and the most that makes sense.
const NUMBERS: &[(&str, u64, u64)] = &[
    ("CommTimeout", 1, u64::MAX),
    ("CommandTimeout", 1, u64::MAX),
    ("CompressLogsInFlight", 0, 9),
    ("CrashExpireInterval", 0, u64::MAX),
    ("LogRotationInterval", 0, u64::MAX),
    ("MailAlarmsInterval", 0, u64::MAX),
    ("MetricsPort", 0, 65_535),
    ("MinDiskSpace", 0, 100),
    ("PcapBufsize", 1, 65_536),
    ("PcapSnaplen", 1, 1 << 30),
    ("StatsLogExpireInterval", 0, u64::MAX),
    ("StopTimeout", 0, u64::MAX),
    ("WebSocketPort", 1, 65_535),
    ("WebSocketTimeout", 1, u64::MAX),
    ("ZeekPort", 1, 65_000),
];

/// Options that are on or off.
const FLAGS: &[&str] = &[
    "CompressLogs",
    "Debug",
    "HaveNFS",
    "MailArchiveLogFail",
    "MailConnectionSummary",
    "MailHostUpDown",
    "MailReceivingPackets",
    "PrivateAddressSpaceIsLocal",
    "SaveTraces",
    "StatsLogEnable",
    "StatusCmdShowAll",
    "StopWait",
    "UseWebSocket",
    "cluster_backend_zeromq.disable_unencrypted_warning",
];

/// Options that change nothing here. `StopWait` is not among them: archiving is always waited for.
const WITHOUT_EFFECT: &[&str] = &[
    "Debug",
    "MailConnectionSummary",
    "PFRINGClusterID",
    "PFRINGClusterType",
    "PFRINGFirstAppInstance",
    "SitePluginPath",
    "BrokerDBDir",
    "TimeMachineHost",
    "TimeMachinePort",
    "lb_custom.InterfacePrefix",
    "lb_custom.InterfaceSuffix",
];

/// All options.
#[derive(Clone, Debug)]
pub struct Options {
    /// By lower-case name: the name as documented and the value as written.
    values: BTreeMap<String, (String, String)>,
    /// What was odd in the file.
    pub warnings: Vec<String>,
}

impl Options {
    /// The defaults for an installation below a folder.
    pub fn new(base: &Path, program: &Path) -> Self {
        let mut values: BTreeMap<_, _> = DEFAULTS
            .iter()
            .map(|(k, v)| (k.to_ascii_lowercase(), (k.to_string(), v.to_string())))
            .collect();
        let mut set = |k: &str, v: &Path| {
            values.insert(k.to_ascii_lowercase(), (k.into(), v.display().to_string()));
        };
        set("ZeekBase", base);
        set("Zeek", program);
        let found = MAILERS.into_iter().map(Path::new).find(|p| p.is_file());
        set("SendMail", found.unwrap_or(Path::new("")));
        Options {
            values,
            warnings: Vec::new(),
        }
    }

    /// The same options for an installation below another folder.
    pub fn at(&self, base: &Path) -> Self {
        let mut other = self.clone();
        let mut set = |k: &str, v: String| {
            other.values.insert(k.to_ascii_lowercase(), (k.into(), v));
        };
        // Programs that are part of the installation move with it.
        let program = self.path("Zeek");
        if let Ok(rest) = program.strip_prefix(self.path("ZeekBase")) {
            set("Zeek", base.join(rest).display().to_string());
        }
        set("ZeekBase", base.display().to_string());
        // Keys are those of this host.
        let keys = "cluster_backend_zeromq.curve_dir";
        set(keys, self.get(keys));
        other
    }

    /// Reads a file's text over the defaults.
    ///
    /// # Errors
    /// The first line that is no option.
    pub fn read(&mut self, text: &str, name: &str) -> Result<(), String> {
        for (i, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                return Err(format!("{name}, line {}: expected 'Option = value'", i + 1));
            };
            let (key, value) = (key.trim(), value.trim());
            if value.contains('"') || value.contains('\'') {
                return Err(format!(
                    "{name}, line {}: {key}: values are written without quotes",
                    i + 1
                ));
            }
            match self.values.get_mut(&key.to_ascii_lowercase()) {
                Some(slot) => {
                    if WITHOUT_EFFECT.contains(&&*slot.0) && slot.1 != value {
                        self.warnings
                            .push(format!("{name}, line {}: {} has no effect here", i + 1, slot.0));
                    }
                    slot.1 = value.to_string();
                }
                None => {
                    let hint = tapir_operate::words::hint(key, self.values.values().map(|v| &*v.0));
                    self.warnings
                        .push(format!("{name}, line {}: unknown option {key}{hint}", i + 1));
                }
            }
        }
        self.check().map_err(|e| format!("{name}: {e}"))
    }

    /// Whether the values are of their kinds.
    fn check(&self) -> Result<(), String> {
        for (option, least, most) in NUMBERS {
            let value = self.get(option);
            if !value.parse::<u64>().is_ok_and(|n| (*least..=*most).contains(&n)) {
                let range = match *most {
                    u64::MAX => format!("from {least} on"),
                    most => format!("from {least} to {most}"),
                };
                return Err(format!("{option} = {value}: it must be a number {range}"));
            }
        }
        for option in FLAGS {
            let value = self.get(option);
            if value != "0" && value != "1" {
                return Err(format!("{option} = {value}: it must be 0 or 1"));
            }
        }
        let limit = self.get("MemLimit");
        if limit != "unlimited" && limit.parse::<u64>().is_err() {
            return Err(format!("MemLimit = {limit}: it must be a number of KB or unlimited"));
        }
        let curve = self.get("cluster_backend_zeromq.use_curve_encryption");
        if !matches!(&*curve, "0" | "1" | "auto") {
            return Err(format!(
                "cluster_backend_zeromq.use_curve_encryption = {curve}: it must be 0, 1 or auto"
            ));
        }
        let host = self.get("WebSocketHost");
        if host.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("WebSocketHost = {host}: it must be an address"));
        }
        let expire = self.get("LogExpireInterval");
        let digits = expire.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = expire[digits.len()..].trim();
        if digits.parse::<u32>().is_err() || !matches!(unit, "" | "day" | "days" | "hr" | "min") {
            return Err(format!(
                "LogExpireInterval = {expire}: it must be a number of days, or one with day, hr or min behind"
            ));
        }
        let minutes = self.log_expire_minutes();
        if minutes > 0 && minutes.saturating_mul(60) < self.number("LogRotationInterval") {
            return Err(format!(
                "LogExpireInterval = {expire}: logs would expire before they are rotated (LogRotationInterval)"
            ));
        }
        Ok(())
    }

    /// An option's value with others put in; empty for one that does not exist.
    pub fn get(&self, name: &str) -> String {
        self.expand(name, 0)
    }

    fn expand(&self, name: &str, depth: usize) -> String {
        let Some((_, value)) = self.values.get(&name.to_ascii_lowercase()) else {
            return String::new();
        };
        let mut out = String::new();
        let mut rest = value.as_str();
        while let Some(start) = rest.find("${") {
            let Some(end) = rest[start..].find('}').map(|e| start + e) else {
                break;
            };
            out.push_str(&rest[..start]);
            // References in a circle end up empty.
            if depth < 10 {
                out.push_str(&self.expand(&rest[start + 2..end], depth + 1));
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        out
    }

    /// An option that is on or off.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) != "0"
    }

    /// An option that is a number.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// An option that is a path.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.get(name))
    }

    /// All options with their values, sorted by name.
    pub fn all(&self) -> Vec<(String, String)> {
        let names = self.values.values().map(|(name, _)| name.clone());
        names.map(|n| (n.clone(), self.get(&n))).collect()
    }

    /// The interval after which archived logs expire, in minutes; 0 never.
    pub fn log_expire_minutes(&self) -> u64 {
        let text = self.get("LogExpireInterval");
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        let n: u64 = digits.parse().unwrap_or(0);
        match text[digits.len()..].trim() {
            "min" => n,
            "hr" => n * 60,
            _ => n * 60 * 24,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_refer_to_others_and_the_last_one_wins() {
        let mut o = Options::new(Path::new("/opt/t"), Path::new("/opt/t/bin/tapir"));
        o.read(
            "# x\nlogdir = /var/a\nLogDir = ${SpoolDir}/l # y\nMystery = 1\nLogExpireInterval = 2 hr\n",
            "f",
        )
        .unwrap();
        assert_eq!(o.get("LogDir"), "/opt/t/spool/l");
        assert_eq!(o.get("WebSocketUrl"), "ws://127.0.0.1:27759/v1/messages/json");
        assert_eq!(o.warnings.len(), 1);
        assert_eq!(o.log_expire_minutes(), 120);
        assert!(o.read("LogDri = /x", "f").is_ok() && o.warnings[1].contains("did you mean LogDir?"));
        assert!(o.read("TimeMachineHost = x", "f").is_ok() && o.warnings[2].contains("no effect"));
        for wrong in [
            "ZeekPort = many",
            "CompressLogs = yes",
            "LogExpireInterval = 3 weeks",
            "LogExpireInterval = 5 min",
            "MemLimit = 1G",
            "WebSocketHost = somewhere",
            "CompressLogsInFlight = 10",
            "cluster_backend_zeromq.use_curve_encryption = maybe",
        ] {
            let mut o = Options::new(Path::new("/opt/t"), Path::new("tapir"));
            let e = o.read(wrong, "f").unwrap_err();
            assert!(e.contains(wrong), "{e}");
        }
        assert!(o.read("MailTo = \"a\"", "f").is_err());
        assert!(o.read("nonsense", "f").is_err());
    }
}
