//go:build wine && linux

package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// A credential is what winprobe tells of an entry of the Credential Manager.
type credential struct {
	Target, User string
	Size         int
	Holds        bool
}

// credentials returns the home's entries of the Credential Manager.
func (h *winHome) credentials() (list []credential) {
	h.t.Helper()
	var all []credential
	check(h.t, json.Unmarshal([]byte(h.probe("credentials", word)), &all))
	for _, c := range all {
		if strings.HasSuffix(c.Target, "vault of "+h.data) {
			list = append(list, c)
		}
	}
	return list
}

// keep puts a secret into the vault, as a static account.
func (h *winHome) keep(account, text string) {
	h.t.Helper()
	h.secret(text)
	path := h.folder + account + " token.txt"
	h.write(path, text+"\r\n")
	h.do("account", "add", "static", account, "--token-file", path)
	check(h.t, os.Remove(h.wine.unix(path)))
}

// The Credential Manager takes 2560 bytes an entry, less than many a token.
func TestWineVaultsKeyIsOneSmallEntryOfTheCredentialManager(t *testing.T) {
	h := newWinHome(t, "vault")
	kept := map[string]string{}
	for name, size := range map[string]int{"short": 20, "as large as an entry": 2560, "one more": 2561, "large": 8000} {
		kept[name] = strings.Repeat("a-"+word+"-z", size/14+1)[:size]
		h.keep(name, kept[name])
	}
	wantKept := func() {
		t.Helper()
		for name, want := range kept {
			if got := h.do("token", name); strings.TrimSpace(got) != want {
				t.Errorf("the token of %q has %d bytes and is not the one that was put in (%d)", name, len(got), len(want))
			}
		}
	}
	wantKept()
	first := h.kill()
	wantKept()
	if second := h.pid(); second == first || second == 0 {
		t.Errorf("agent %d after agent %d was killed", second, first)
	}
	h.do("stop")
	h.do("start")
	wantKept()
	list := h.credentials()
	if len(list) != 1 || list[0].Size == 0 || list[0].Size > 2560 || list[0].Holds {
		t.Fatalf("the Credential Manager has %+v, want one entry for the vault's key", list)
	}

	h.do("stop")
	h.probe("forget", list[0].Target)
	r := h.run("start")
	for _, want := range []string{h.data + `\vault.age is not in the Credential Manager.`, `"vault of ` + h.data + `"`} {
		if r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("without the entry: exit code %d, want the words %s\n%s", r.code, want, h.said(r.err))
		}
	}
}

func TestWineVaultMovesBetweenCredentialManagerAndPassphrase(t *testing.T) {
	h := newWinHome(t, "moves")
	pass := h.folder + "pass"
	h.write(pass, "passphrase-"+word+"\r\n")
	h.env = append(h.env, "KEYPORTER_PASSPHRASE_FILE="+pass)
	h.keep("robot", "token-"+word)
	for _, to := range []struct {
		backend string
		entries int
	}{{"passphrase", 0}, {"keyring", 1}} {
		h.do("vault", "use", to.backend)
		h.kill()
		if got := h.do("token", "robot"); strings.TrimSpace(got) != "token-"+word {
			t.Errorf("after vault use %s the token is another", to.backend)
		}
		if list := h.credentials(); len(list) != to.entries {
			t.Errorf("after vault use %s the Credential Manager has %+v, want %d entries", to.backend, list, to.entries)
		}
	}
}

// Wine has one user only. What keeps another out is the pipe's access list.
func TestWinePipeMayBeOpenedByItsUserAlone(t *testing.T) {
	h := newWinHome(t, "pipe")
	h.do("list")
	user, list, _ := strings.Cut(strings.TrimSpace(h.probe("pipe", h.data)), "\n")
	// Owner: the user. P: nothing is inherited. One entry, that allows the user
	// everything; Windows makes FA of GA, wine leaves it.
	user, list = strings.TrimSpace(user), strings.TrimSpace(list)
	if want := "O:" + user + "D:P(A;;FA;;;" + user + ")"; strings.Replace(list, ";GA;", ";FA;", 1) != want {
		t.Errorf("the pipe's access list is %s, want %s", list, want)
	}
}

func TestWineCommandsStartingAtOnceMakeExactlyOneAgent(t *testing.T) {
	h := newWinHome(t, "race")
	var all []<-chan result
	for range 10 {
		_, _, ended := h.start("list", "--json")
		all = append(all, ended)
	}
	for _, ended := range all {
		if r := <-ended; r.code != 0 || strings.TrimSpace(r.out) != "[]" {
			t.Errorf("keyporter list: exit code %d, answer %q\n%s", r.code, r.out, h.said(r.err))
		}
	}
	log := h.read(h.data + `\agent.log`)
	if n := strings.Count(log, `msg="agent started"`); n != 1 {
		t.Errorf("%d agents started, want 1\n%s", n, log)
	}
}
