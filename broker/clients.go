package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
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

// clientState reads what stands in a client's files, those of projects that
// something was put into among them.
func (b *Broker) clientState(c *install.Client) local.MCPClient {
	st := local.MCPClient{ID: c.ID, Name: c.Name, Configs: c.Files(b.getenv), Servers: []string{}, Project: c.Project()}
	st.Found = len(st.Configs) > 0
	if st.Configs == nil {
		st.Configs = []string{}
	}
	written := b.writtenFiles(c.ID)
	for _, path := range slices.Sorted(maps.Keys(written)) {
		if written[path].Folder != "" && written[path].there() {
			st.Configs = append(st.Configs, path)
		}
		st.Lost = union(st.Lost, b.lostFrom(c, path, written[path])...)
	}
	for _, path := range st.Configs {
		servers, err := c.Servers(path)
		if err != nil && st.Problem == nil {
			st.Problem = hint.Of(err)
		}
		st.Servers = union(st.Servers, servers...)
	}
	return st
}

// union adds what is not there yet.
func union(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
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
	if err := b.knowsCommand(); err != nil {
		return nil, err
	}
	out, err := b.editClient(ctx, r, "install", func(c *install.Client, path string, f *clientFile) (install.Edit, error) {
		e, err := c.Install(path, f.Trace, servers, b.opt.Command)
		f.Servers = union(f.Servers, servers...)
		return e, err
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

func (b *Broker) knowsCommand() error {
	if b.opt.Command != "" {
		return nil
	}
	return hint.New(hint.Failed, "It is not known under which path MCP clients can start keyporter.",
		"Run keyporter stop and then keyporter start, from where Keyporter is installed.")
}

// UninstallClient takes our entries out of a client's configuration, and without
// a folder out of all projects that they were put into.
func (b *Broker) UninstallClient(ctx context.Context, r local.InstallRequest) (*local.Installed, error) {
	return b.editClient(ctx, r, "uninstall", func(c *install.Client, path string, f *clientFile) (install.Edit, error) {
		servers := r.Servers
		if len(servers) == 0 {
			servers, f.Servers = nil, nil
		}
		f.Servers = slices.DeleteFunc(f.Servers, func(s string) bool { return slices.Contains(servers, s) })
		return c.Uninstall(path, f.Trace, servers)
	})
}

// A clientEdit edits one file. f is what is remembered of it, and is changed to
// what is to be remembered, but for its Trace.
type clientEdit func(c *install.Client, path string, f *clientFile) (install.Edit, error)

// editClient edits each of a client's files, or its file in a project's folder.
// If one cannot be edited, those before it stay edited, and the error says which
// one it was.
func (b *Broker) editClient(ctx context.Context, r local.InstallRequest, event string, edit clientEdit) (*local.Installed, error) {
	c, err := install.Find(r.Client)
	if err != nil {
		return nil, err
	}
	files, err := b.filesOf(c, r.Folder, event == "uninstall")
	if err != nil {
		return nil, err
	}
	out := &local.Installed{Changed: []string{}}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := b.editClientFile(ctx, c, path, files[path], edit, out); err != nil {
			return nil, err
		}
	}
	return out, b.edited(c, event, out)
}

// filesOf returns the files of a client to be edited, with the project's folder of
// those that belong to one: the file in folder, or without one the client's own
// files, and with projects those that something was put into before.
func (b *Broker) filesOf(c *install.Client, folder string, projects bool) (map[string]string, error) {
	files := map[string]string{}
	if folder != "" {
		file, err := c.ProjectFile(folder)
		if err != nil {
			return nil, err
		}
		files[file] = folder
		return files, nil
	}
	for _, path := range c.Files(b.getenv) {
		files[path] = ""
	}
	if projects {
		for path, f := range b.writtenFiles(c.ID) {
			if f.Folder != "" && f.there() {
				files[path] = f.Folder
			}
		}
	}
	if len(files) == 0 {
		return nil, hint.New(hint.NotFound, fmt.Sprintf("%s is not on this computer, or was never started: there is no folder %s.", c.Name, c.Place(b.getenv)),
			fmt.Sprintf("Start %s once, then try again.", c.Name))
	}
	return files, nil
}

// edited completes an answer, and writes down what was done.
func (b *Broker) edited(c *install.Client, event string, out *local.Installed) error {
	out.Client = b.clientState(c)
	if len(out.Changed) > 0 {
		out.Next = c.Next
	}
	for _, s := range out.Changed {
		b.record(local.AuditRecord{Event: event, Program: c.Name, Server: s, Outcome: "ok"})
	}
	return b.saveMemory()
}

func (b *Broker) editClientFile(ctx context.Context, c *install.Client, path, folder string, edit clientEdit, out *local.Installed) error {
	select {
	case b.installs <- struct{}{}: // the file and what is remembered of it belong together
		defer func() { <-b.installs }()
	case <-ctx.Done():
		return ctx.Err()
	}
	f := &clientFile{Client: c.ID, Folder: folder}
	b.mu.Lock()
	if known := b.mem.ClientFiles[path]; known != nil {
		*f = *known
		f.Servers = slices.Clone(known.Servers)
	}
	b.mu.Unlock()
	e, err := edit(c, path, f)
	if err != nil {
		return err
	}
	f.Trace = e.Trace
	lost := b.lostFrom(c, path, f)
	b.update(func() {
		if b.mem.ClientFiles[path] = f; len(f.Servers) == 0 {
			delete(b.mem.ClientFiles, path)
		}
		b.setLost(path, lost)
	})
	b.showLost()
	out.Changed = union(out.Changed, e.Changed...)
	if e.Backup != "" {
		out.Backups = append(out.Backups, e.Backup)
	}
	return nil
}

// RepairClients puts back what clients have lost.
func (b *Broker) RepairClients(ctx context.Context, r local.RepairRequest) (*local.Repaired, error) {
	if r.Client != "" {
		if _, err := install.Find(r.Client); err != nil {
			return nil, err
		}
	}
	if err := b.knowsCommand(); err != nil {
		return nil, err
	}
	out := &local.Repaired{Clients: []local.Installed{}}
	var errs error
	for _, c := range install.Clients() {
		if r.Client != "" && r.Client != c.ID {
			continue
		}
		done := local.Installed{Changed: []string{}}
		for path, f := range b.writtenFiles(c.ID) {
			lost := b.lostFrom(c, path, f)
			if len(lost) == 0 {
				continue
			}
			errs = errors.Join(errs, b.editClientFile(ctx, c, path, f.Folder, func(c *install.Client, path string, f *clientFile) (install.Edit, error) {
				return c.Install(path, f.Trace, lost, b.opt.Command)
			}, &done))
		}
		if len(done.Changed) > 0 {
			errs = errors.Join(errs, b.edited(c, "repair", &done))
			out.Clients = append(out.Clients, done)
		}
	}
	if errs != nil {
		return nil, errs
	}
	return out, nil
}

// writtenFiles returns what is remembered of a client's files, by path; "" is
// any client. What is returned is not changed any more.
func (b *Broker) writtenFiles(client string) map[string]*clientFile {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := maps.Clone(b.mem.ClientFiles)
	maps.DeleteFunc(out, func(_ string, f *clientFile) bool { return client != "" && f.Client != client })
	return out
}

// renameInClients gives a server its new name where it was put in. An entry that
// cannot be edited is one of a server that is not in the list any more.
func (b *Broker) renameInClients(ctx context.Context, from, to string) {
	b.inClients(ctx, from, func(c *install.Client, path string, f *clientFile) (install.Edit, error) {
		f.Servers[slices.Index(f.Servers, from)] = to
		return install.Edit{Trace: f.Trace}, c.Rename(path, from, to)
	})
}

// removeFromClients takes a server that was removed out of where it was put in.
func (b *Broker) removeFromClients(ctx context.Context, server string) {
	b.inClients(ctx, server, func(c *install.Client, path string, f *clientFile) (install.Edit, error) {
		f.Servers = slices.DeleteFunc(f.Servers, func(s string) bool { return s == server })
		return c.Uninstall(path, f.Trace, []string{server})
	})
}

func (b *Broker) inClients(ctx context.Context, server string, edit clientEdit) {
	for path, f := range b.writtenFiles("") {
		c, err := install.Find(f.Client)
		if err != nil || !slices.Contains(f.Servers, server) || !f.there() && f.Folder != "" {
			continue
		}
		if err := b.editClientFile(ctx, c, path, f.Folder, edit, &local.Installed{}); err != nil {
			b.opt.Log.Warn("client's file not changed", "client", c.ID, "server", server, "err", err)
		}
	}
}

// there reports whether the project that a file belongs to is still there.
func (f *clientFile) there() bool {
	fi, err := os.Stat(f.Folder)
	return err == nil && fi.IsDir()
}
