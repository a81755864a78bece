package vault_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// fakeSecrets is a Secret Service with one collection and at most one entry in
// it, on the bus of a session. Its prompts are answered by the test.
type fakeSecrets struct {
	conn    *dbus.Conn
	prompts chan struct{}   // gets a value for each prompt that is shown; never closed
	calls   chan string     // gets the name of each call in hang; never closed
	hang    string          // Required for calls. The method that never answers
	over    <-chan struct{} // closed when the test ends
	empty   bool            // there is no collection

	mu         sync.Mutex
	locked     bool // the collection
	itemLocked bool
	item       *storedItem // nil if there is none
	unlocks    int         // calls of Unlock for what is locked
}

type storedItem struct {
	attributes map[string]string
	value      []byte
}

// A wireSecret is the API's struct Secret.
type wireSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// serve puts a fake Secret Service on the bus.
func (f *fakeSecrets) serve(t *testing.T, s *session) *fakeSecrets {
	t.Helper()
	f.conn = s.dial(t)
	f.prompts, f.calls, f.over = make(chan struct{}, 16), make(chan string, 16), t.Context().Done()
	for _, e := range []struct {
		v     any
		path  dbus.ObjectPath
		iface string
	}{
		{fakeService{f}, secretsPath, serviceIface},
		{fakeCollection{f}, loginPath, collectionIface},
		{fakeItem{f}, itemPath, itemIface},
		{fakePrompt{f}, promptPath, promptIface},
		{fakeSession{}, secretsPath + "/session/s1", sessionIface},
		{fakeProperties{f, secretsPath}, secretsPath, propertiesIface},
		{fakeProperties{f, loginPath}, loginPath, propertiesIface},
		{fakeProperties{f, itemPath}, itemPath, propertiesIface},
	} {
		if err := f.conn.Export(e.v, e.path, e.iface); err != nil {
			t.Fatal(err)
		}
	}
	reply, err := f.conn.RequestName(secretsName, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("request %s: %v, %v", secretsName, reply, err)
	}
	return f
}

// enter is called by each method with its name. The one that hangs stays in it.
func (f *fakeSecrets) enter(method string) {
	if method == f.hang {
		f.calls <- method
		<-f.over
	}
}

// answer ends the prompt that is open.
func (f *fakeSecrets) answer(t *testing.T, dismissed bool) {
	t.Helper()
	result := []dbus.ObjectPath{}
	f.mu.Lock()
	if !dismissed {
		f.locked = false
		result = append(result, loginPath)
	}
	f.mu.Unlock()
	if err := f.conn.Emit(promptPath, promptIface+".Completed", dismissed, dbus.MakeVariant(result)); err != nil {
		t.Fatal(err)
	}
}

// unlocksAsked is how often somebody wanted something locked to be unlocked.
func (f *fakeSecrets) unlocksAsked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unlocks
}

type fakeService struct{ f *fakeSecrets }

func (s fakeService) OpenSession(algorithm string, _ dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	s.f.enter("OpenSession")
	return dbus.MakeVariant(""), secretsPath + "/session/s1", nil
}

func (s fakeService) ReadAlias(string) (dbus.ObjectPath, *dbus.Error) {
	s.f.enter("ReadAlias")
	if s.f.empty {
		return "/", nil
	}
	return loginPath, nil
}

func (s fakeService) Unlock(paths []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	s.f.enter("Unlock")
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.locked || s.f.itemLocked {
		s.f.unlocks++
		return []dbus.ObjectPath{}, promptPath, nil
	}
	return paths, "/", nil
}

type fakeCollection struct{ f *fakeSecrets }

func (c fakeCollection) SearchItems(attributes map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	c.f.enter("SearchItems")
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	found := []dbus.ObjectPath{}
	if c.f.item == nil {
		return found, nil
	}
	for k, v := range attributes {
		if c.f.item.attributes[k] != v {
			return found, nil
		}
	}
	return append(found, itemPath), nil
}

func (c fakeCollection) CreateItem(properties map[string]dbus.Variant, s wireSecret, replace bool) (dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	c.f.enter("CreateItem")
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	attributes, ok := properties[itemIface+".Attributes"].Value().(map[string]string)
	if !ok || !replace {
		return "/", "/", dbus.MakeFailedError(dbus.ErrMsgInvalidArg)
	}
	c.f.item = &storedItem{attributes, s.Value}
	return itemPath, "/", nil
}

type fakeItem struct{ f *fakeSecrets }

func (i fakeItem) GetSecret(session dbus.ObjectPath) (wireSecret, *dbus.Error) {
	i.f.enter("GetSecret")
	i.f.mu.Lock()
	defer i.f.mu.Unlock()
	if i.f.item == nil {
		return wireSecret{Session: "/"}, dbus.NewError("org.freedesktop.Secret.Error.NoSuchObject", nil)
	}
	return wireSecret{session, []byte{}, i.f.item.value, "text/plain"}, nil
}

type fakeSession struct{}

func (fakeSession) Close() *dbus.Error { return nil }

type fakePrompt struct{ f *fakeSecrets }

func (p fakePrompt) Prompt(string) *dbus.Error {
	p.f.prompts <- struct{}{}
	return nil
}

func (fakePrompt) Dismiss() *dbus.Error { return nil }

// fakeProperties are those of one object.
type fakeProperties struct {
	f    *fakeSecrets
	path dbus.ObjectPath
}

func (p fakeProperties) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	p.f.enter(iface[strings.LastIndexByte(iface, '.')+1:] + "." + name)
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	switch {
	case p.path == secretsPath && name == "Collections" && p.f.empty:
		return dbus.MakeVariant([]dbus.ObjectPath{}), nil
	case p.path == secretsPath && name == "Collections":
		return dbus.MakeVariant([]dbus.ObjectPath{loginPath}), nil
	case p.path == loginPath && name == "Locked":
		return dbus.MakeVariant(p.f.locked), nil
	case p.path == itemPath && name == "Locked":
		return dbus.MakeVariant(p.f.locked || p.f.itemLocked), nil
	}
	return dbus.MakeVariant(""), dbus.MakeFailedError(dbus.ErrMsgInvalidArg)
}
