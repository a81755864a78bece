package broker

import (
	"context"
	"fmt"
	"slices"

	"keyporter/broker/install"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// Clients lists the MCP clients whose configuration can be edited.
func (b *Broker) Clients(context.Context) (*local.Clients, error) {
	out := &local.Clients{Clients: []local.MCPClient{}}
	for _, c := range install.Clients() {
		out.Clients = append(out.Clients, b.clientState(c))
	}
	return out, nil
}

// clientState reads what stands in a client's files.
func (b *Broker) clientState(c *install.Client) local.MCPClient {
	st := local.MCPClient{ID: c.ID, Name: c.Name, Configs: []string{}, Servers: []string{}}
	for _, path := range c.Files(b.getenv) {
		st.Found = true
		st.Configs = append(st.Configs, path)
		servers, err := c.Servers(path)
		if err != nil && st.Problem == nil {
			st.Problem = hint.Of(err)
		}
		for _, s := range servers {
			if !slices.Contains(st.Servers, s) {
				st.Servers = append(st.Servers, s)
			}
		}
	}
	return st
}

func (b *Broker) getenv(name string) string {
	if b.opt.Getenv == nil {
		return ""
	}
	return b.opt.Getenv(name)
}

// InstallClient puts servers into a client's configuration.
func (b *Broker) InstallClient(ctx context.Context, r local.InstallRequest) (*local.Installed, error) {
	cfg := b.config()
	servers := r.Servers
	if len(servers) == 0 {
		servers = cfg.ServerNames()
	}
	if len(servers) == 0 {
		return nil, hint.New(hint.Usage, "There are no servers to put into a client's configuration.", "Add one first: keyporter add NAME URL")
	}
	for i, name := range servers {
		s, err := lookupServer(cfg, name)
		if err != nil {
			return nil, err
		}
		servers[i] = s.Name
	}
	if b.opt.Command == "" {
		return nil, hint.New(hint.Failed, "It is not known under which path MCP clients can start keyporter.",
			"Run keyporter stop and then keyporter start, from where Keyporter is installed.")
	}
	out, err := b.editClient(ctx, r.Client, "install", func(c *install.Client, path string, t install.Trace) (install.Edit, error) {
		return c.Install(path, t, servers, b.opt.Command)
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range servers {
		if s := b.cfg.Servers[name]; s != nil && b.access(s).status == local.SignInNeeded {
			out.SignIn = append(out.SignIn, name)
		}
	}
	return out, nil
}

// UninstallClient takes our entries out of a client's configuration.
func (b *Broker) UninstallClient(ctx context.Context, r local.InstallRequest) (*local.Installed, error) {
	servers := r.Servers
	if len(servers) == 0 {
		servers = nil
	}
	return b.editClient(ctx, r.Client, "uninstall", func(c *install.Client, path string, t install.Trace) (install.Edit, error) {
		return c.Uninstall(path, t, servers)
	})
}

// editClient edits each of a client's files. If one cannot be edited, those
// before it stay edited, and the error says which one it was.
func (b *Broker) editClient(ctx context.Context, id, event string, edit func(*install.Client, string, install.Trace) (install.Edit, error)) (*local.Installed, error) {
	c, err := install.Find(id)
	if err != nil {
		return nil, err
	}
	files := c.Files(b.getenv)
	if len(files) == 0 {
		return nil, hint.New(hint.NotFound, fmt.Sprintf("%s is not on this computer, or was never started: there is no folder %s.", c.Name, c.Place(b.getenv)),
			fmt.Sprintf("Start %s once, then try again.", c.Name))
	}
	out := &local.Installed{Changed: []string{}}
	for _, path := range files {
		if err := b.editClientFile(ctx, c, path, edit, out); err != nil {
			return nil, err
		}
	}
	out.Client = b.clientState(c)
	if len(out.Changed) > 0 {
		out.Next = c.Next
	}
	for _, s := range out.Changed {
		b.record(local.AuditRecord{Event: event, Program: c.Name, Server: s, Outcome: "ok"})
	}
	return out, b.saveMemory()
}

func (b *Broker) editClientFile(ctx context.Context, c *install.Client, path string,
	edit func(*install.Client, string, install.Trace) (install.Edit, error), out *local.Installed) error {
	select {
	case b.installs <- struct{}{}: // the trace and the file belong together
		defer func() { <-b.installs }()
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	trace := b.mem.Traces[path]
	b.mu.Unlock()
	e, err := edit(c, path, trace)
	if err != nil {
		return err
	}
	b.update(func() {
		if delete(b.mem.Traces, path); e.Trace != (install.Trace{}) {
			b.mem.Traces[path] = e.Trace
		}
	})
	for _, s := range e.Changed {
		if !slices.Contains(out.Changed, s) {
			out.Changed = append(out.Changed, s)
		}
	}
	if e.Backup != "" {
		out.Backups = append(out.Backups, e.Backup)
	}
	return nil
}
