package tray

import (
	"strings"
	"testing"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// shown returns what a system shows of a label in which mark stands before an access
// key, and twice for itself; keys are how many access keys there are.
func shown(label, mark string) (text string, keys int) {
	parts := strings.Split(label, mark+mark)
	for i := range parts {
		keys += strings.Count(parts[i], mark)
		parts[i] = strings.ReplaceAll(parts[i], mark, "")
	}
	return strings.Join(parts, mark), keys
}

// odd are names that menus would read as something else.
var odd = []string{"R&D", "&Quit", "a && b", "sales_data_2", "_Quit", "__init__", "a&_b", "&", "_"}

func TestAccessKeysInANameAreShownAsTheyAre(t *testing.T) {
	for _, name := range odd {
		if got, keys := shown(forWindows(name), "&"); got != name || keys > 0 {
			t.Errorf("Windows shows %q for %q, with %d access keys", got, name, keys)
		}
		if got, keys := shown(forDBus(name), "_"); got != name || keys > 0 {
			t.Errorf("a panel shows %q for %q, with %d access keys", got, name, keys)
		}
	}
	if got := forWindows("a\tb"); got != "a b" {
		t.Errorf("a tab stays: %q", got)
	}
}

// Names of servers, people, programs and problems, in every row that has them.
func TestNoNameInTheMenuHasAnAccessKey(t *testing.T) {
	s := &local.State{Vault: local.VaultState{Open: true}}
	for _, name := range odd {
		for _, state := range []local.Status{local.Ready, local.SignInNeeded, local.SigningIn, local.Failed} {
			s.Servers = append(s.Servers, local.ServerState{Name: name + string(state), Kind: account.OAuth, State: state, Identity: name,
				Problem: hint.New(hint.Failed, "It says "+name+".", "Ask "+name+".")})
		}
		s.Approvals = append(s.Approvals, local.Approval{ID: name, Server: name, Program: "/opt/" + name, Identity: name, State: local.ApprovalWaiting})
	}
	m := view.Build(view.Input{Texts: view.TextsIn(view.English), State: s})
	var look func(items []view.Item)
	rows := 0
	look = func(items []view.Item) {
		for i := range items {
			label := items[i].Label()
			rows++
			if got, keys := shown(forWindows(label), "&"); got != label || keys > 0 {
				t.Errorf("Windows shows %q for %q", got, label)
			}
			if got, keys := shown(forDBus(label), "_"); got != label || keys > 0 {
				t.Errorf("a panel shows %q for %q", got, label)
			}
			look(items[i].Items)
		}
	}
	look(m.Items)
	if rows < 100 {
		t.Errorf("%d rows", rows)
	}
	var d desk
	OnDesk(&d, func(view.Action) {}).SetMenu(m)
	for i, row := range d.menus[0].Items {
		if row.Label != escape(m.Items[i].Label()) {
			t.Errorf("row %d is %q", i, row.Label)
		}
	}
}
