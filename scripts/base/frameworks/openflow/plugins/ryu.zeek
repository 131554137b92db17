##! The Ryu controller, through its HTTP interface.

@load base/frameworks/openflow/main
@load base/utils/active-http
@load base/utils/addrs

module OpenFlow;

export {
	redef enum Plugin += {
		RYU,
	};

	## Makes a controller for a switch that Ryu controls.
	global ryu_new: function(host: addr, host_port: count, dpid: count): OpenFlow::Controller;

	redef record ControllerState += {
		ryu_host: addr &optional;
		ryu_port: count &optional;
		ryu_dpid: count &optional;
		## Print requests instead of sending them.
		ryu_debug: bool &default=F;
	};
}

const ryu_flow_path = "/stats/flowentry/";

# The names Ryu has for commands.
const ryu_commands: table[ofp_flow_mod_command] of string = {
	[OFPFC_ADD] = "add",
	[OFPFC_MODIFY] = "modify",
	[OFPFC_MODIFY_STRICT] = "modify_strict",
	[OFPFC_DELETE] = "delete",
	[OFPFC_DELETE_STRICT] = "delete_strict",
};

type ryu_action: record {
	_type: string;
	_port: count &optional;
};

type ryu_ofp_flow_mod: record {
	dpid: count;
	cookie: count &optional;
	cookie_mask: count &optional;
	table_id: count &optional;
	idle_timeout: count &optional;
	hard_timeout: count &optional;
	priority: count &optional;
	flags: count &optional;
	match: OpenFlow::ofp_match;
	actions: vector of ryu_action;
	out_port: count &optional;
	out_group: count &optional;
};

function ryu_url(state: ControllerState, what: string): string
	{
	return fmt("http://%s:%d%s%s", addr_to_uri(state$ryu_host), state$ryu_port, ryu_flow_path, what);
	}

function ryu_flow_mod(state: ControllerState, match: ofp_match, flow_mod: OpenFlow::ofp_flow_mod): bool
	{
	if ( flow_mod$command !in ryu_commands )
		{
		Reporter::error(fmt("Ryu has no command for %s", flow_mod$command));
		return F;
		}

	local actions: vector of ryu_action = vector();

	for ( _, out_port in flow_mod$actions$out_ports )
		actions += ryu_action($_type="OUTPUT", $_port=out_port);

	local mod = ryu_ofp_flow_mod($dpid=state$ryu_dpid, $cookie=flow_mod$cookie, $idle_timeout=flow_mod$idle_timeout,
	                             $hard_timeout=flow_mod$hard_timeout, $priority=flow_mod$priority, $flags=flow_mod$flags,
	                             $match=match, $actions=actions);

	# Without a mask, entries of others would go as well.
	if ( flow_mod$command == OFPFC_DELETE || flow_mod$command == OFPFC_DELETE_STRICT )
		mod$cookie_mask = 0xffffffffffffffff;

	if ( flow_mod?$table_id )
		mod$table_id = flow_mod$table_id;

	if ( flow_mod?$out_port )
		mod$out_port = flow_mod$out_port;

	if ( flow_mod?$out_group )
		mod$out_group = flow_mod$out_group;

	local url = ryu_url(state, ryu_commands[flow_mod$command]);
	local body = to_json(mod, F);

	if ( state$ryu_debug )
		{
		print url;
		print body;
		event OpenFlow::flow_mod_success(state$_name, match, flow_mod);
		return T;
		}

	local request = ActiveHTTP::Request($url=url, $method="POST", $client_data=body);

	when [state, match, flow_mod, request] ( local result = ActiveHTTP::request(request) )
		{
		if ( result$code == 200 )
			event OpenFlow::flow_mod_success(state$_name, match, flow_mod, result$body);
		else
			{
			Reporter::warning(fmt("flow modification failed with status %d: %s", result$code, result$body));
			event OpenFlow::flow_mod_failure(state$_name, match, flow_mod, result$body);
			}
		}

	return T;
	}

function ryu_flow_clear(state: ControllerState): bool
	{
	local url = ryu_url(state, fmt("clear/%d", state$ryu_dpid));

	if ( state$ryu_debug )
		{
		print url;
		return T;
		}

	local request = ActiveHTTP::Request($url=url, $method="DELETE");

	when [request] ( local result = ActiveHTTP::request(request) )
		{
		if ( result$code != 200 )
			Reporter::warning(fmt("clearing flows failed with status %d", result$code));
		}

	return T;
	}

function ryu_describe(state: ControllerState): string
	{
	return fmt("Ryu-%d-http://%s:%d", state$ryu_dpid, state$ryu_host, state$ryu_port);
	}

function ryu_new(host: addr, host_port: count, dpid: count): OpenFlow::Controller
	{
	local c = OpenFlow::Controller($state=OpenFlow::ControllerState($ryu_host=host, $ryu_port=host_port, $ryu_dpid=dpid),
	                               $flow_mod=ryu_flow_mod, $flow_clear=ryu_flow_clear, $describe=ryu_describe,
	                               $supports_flow_removed=F);
	register_controller(OpenFlow::RYU, cat(host, host_port, dpid), c);
	return c;
	}
