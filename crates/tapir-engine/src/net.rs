//! Connections with their analyzers: what is away from built-ins while a packet is being processed.

use std::rc::Rc;

use tapir_analyzers::core::{Asks, Begun, ConnInfo, EndStats, Idle, Shared, Transport as AppTransport, Tree, pia};
use tapir_data::value::Addr;
use tapir_flow::{Conn, FlowTable, Transport};

use crate::weirds::Counters;

/// What the engine keeps with a connection.
#[derive(Default)]
pub struct ConnExt {
    /// Application state, made when something needs it; [`attach`] gives it.
    pub app: Option<Box<AppState>>,
    /// What there is instead of it.
    asleep: Option<Box<Asleep>>,
}

/// The application state of a connection of which one datagram was seen, and nothing found in it: most never have more.
struct Asleep {
    detector: Idle,
    /// What of the signatures applies.
    rules: Rc<[u32]>,
}

/// Analyzers and the script's view of a connection.
pub struct AppState {
    pub info: ConnInfo,
    pub tree: Tree,
    rare: Option<Box<Rare>>,
}

/// What few connections need.
#[derive(Default)]
pub struct Rare {
    pub weirds: Counters,
    /// Content files per direction: originator, responder.
    pub contents: [Option<std::rc::Rc<tapir_data::value::File>>; 2],
}

impl AppState {
    /// What few connections need, if this one does.
    pub fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// What few connections need, made when it is not there.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// The flow table and the state that all analyzers share.
pub struct Net {
    pub flow: FlowTable<ConnExt>,
    pub shared: Shared,
}

/// An address of the packet layer as a value.
#[inline]
pub fn addr(ip: tapir_flow::Ip) -> Addr {
    Addr(ip.0)
}

/// The transport as analyzers know it.
pub fn app_transport(t: Transport) -> AppTransport {
    match t {
        Transport::Tcp => AppTransport::Tcp,
        Transport::Udp => AppTransport::Udp,
        Transport::Icmp => AppTransport::Icmp,
        Transport::Unknown => AppTransport::Other,
    }
}

/// Marks of connections: what [`Begun`] says of those without application state.
pub const FRESH: u8 = 1;
pub const OWED: u8 = 2;

fn begun(mark: u8) -> Begun {
    match mark {
        FRESH => Begun::Fresh,
        OWED => Begun::Owed,
        _ => Begun::Yes,
    }
}

/// What analyzers and scripts may know of a connection, without what they have left there.
pub fn info(c: &Conn<ConnExt>) -> ConnInfo {
    let uid = match &c.ext.app {
        Some(app) if !app.info.uid.is_empty() => app.info.uid.clone(),
        _ => c.uid().as_ref().map_or("", |u| u.as_str()).into(),
    };
    let mut info = ConnInfo::with_texts(
        (addr(c.orig.addr), c.orig.port),
        (addr(c.resp.addr), c.resp.port),
        app_transport(c.transport),
        c.ip_proto,
        c.start_time,
        uid,
        c.history().into(),
    );
    info.vlan = c.vlan().map(|v| v.id);
    info.inner_vlan = c.inner_vlan().map(|v| v.id);
    info.begun = match &c.ext.app {
        Some(app) => app.info.begun,
        None => begun(c.mark),
    };
    refresh(c, &mut info);
    info
}

/// The application state of a connection, created when there is none.
pub fn attach<'a>(c: &'a mut Conn<ConnExt>, sh: &Shared) -> &'a mut AppState {
    if c.ext.app.is_none() {
        let mut state = AppState {
            info: info(c),
            tree: Tree::default(),
            rare: None,
        };
        match (c.ext.asleep.take(), &sh.sigs) {
            (Some(asleep), Some(sigs)) => {
                let (is_orig, len) = (asleep.detector.is_orig, asleep.detector.data.len());
                state.info.matcher = Some(sigs.resumed(asleep.rules, is_orig, len));
                state.tree.wake(asleep.detector, sh);
            }
            _ => pia::expect_data(&mut state.tree, &state.info, sh),
        }
        c.ext.app = Some(Box::new(state));
    } else {
        sync(c);
    }
    // Made just above.
    match &mut c.ext.app {
        Some(app) => app,
        None => unreachable!("the extension was just created"),
    }
}

/// Makes the application state again, if it sleeps.
pub fn wake(c: &mut Conn<ConnExt>, sh: &Shared) {
    if c.ext.asleep.is_some() {
        attach(c, sh);
    }
}

/// Keeps as little as possible of a connection whose first datagram was looked at.
pub fn doze(c: &mut Conn<ConnExt>, sh: &Shared) {
    let Some(app) = &mut c.ext.app else { return };
    if app.rare.is_some() || !app.info.is_untouched() {
        return;
    }
    let Some(rules) = app.info.matcher.as_ref().and_then(|m| m.idle()) else {
        return;
    };
    let Some(detector) = app.tree.doze(sh) else { return };
    c.mark = match app.info.begun {
        Begun::Yes => 0,
        Begun::Fresh => FRESH,
        Begun::Owed => OWED,
    };
    c.ext.app = None;
    c.ext.asleep = Some(Box::new(Asleep { detector, rules }));
}

/// Copies the counters of the flow layer to where analyzers and scripts read them.
pub fn sync(c: &mut Conn<ConnExt>) {
    let Some(mut app) = c.ext.app.take() else { return };
    if *app.info.stats.history != *c.history() {
        app.info.stats.history = c.history().into();
    }
    refresh(c, &mut app.info);
    c.ext.app = Some(app);
}

fn refresh(c: &Conn<ConnExt>, info: &mut ConnInfo) {
    let end = |is_orig: bool| {
        let e = c.end(is_orig);
        EndStats {
            size: c.size(is_orig),
            state: c.state_number(is_orig) as u8,
            num_pkts: e.pkts,
            num_bytes_ip: e.ip_bytes,
            flow_label: e.flow_label,
            l2: e.l2,
        }
    };
    (info.stats.orig, info.stats.resp, info.stats.duration) = (end(true), end(false), c.duration());
    info.partial = c.is_partial();
    info.gaps = [c.had_gap(true), c.had_gap(false)];
}

/// Carries out what analyzers asked of the flow layer.
pub fn take_asks(c: &mut Conn<ConnExt>) -> Asks {
    c.ext
        .app
        .as_mut()
        .map(|app| std::mem::take(&mut app.info.asks))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    /// Allocators have blocks of 320 bytes, and the next larger ones of 384.
    #[test]
    fn what_every_connection_has_is_small() {
        let size = std::mem::size_of::<super::AppState>();
        assert!(size <= 320, "the state of a connection takes {size} bytes");
    }
}
