##! Loaded by a supervisor process besides everything else: what it needs to look after nodes.

@load base/frameworks/supervisor
