package view

import (
	"fmt"

	"keyporter/broker/account"
)

// A SettingsView is the page Settings.
type SettingsView struct {
	Languages []Choice
	Language  int // of Languages
	Notify    bool
	Approvals []Choice
	Approval  int               // of Approvals
	Asked     []ProgramRow      // programs that asked
	Fixed     map[string]string // settings that cannot be changed here: by whom, and where that stands
	Vault     []string          // sentences
	Programs  []Fact
	Files     []Fact
}

// A Choice is one of several.
type Choice struct{ Value, Label string }

// Places are where files are.
type Places struct{ Config, State, Log string }

// SettingsOf returns the page Settings; version is the app's own.
func SettingsOf(in Input, version string, at Places) SettingsView {
	t := &in.Texts.Settings
	v := SettingsView{
		Languages: []Choice{{"system", t.System}, {string(English), "English"}, {string(Japanese), "日本語"}},
		Notify:    true,
		Approvals: []Choice{{"off", t.NeverAsk}, {string(account.ApprovalsFirstUse), t.AskFirst}, {string(account.ApprovalsSession), t.AskSession}},
		Programs:  []Fact{{Label: t.App, Text: Name(version)}, {Label: t.Agent, Text: t.NoAgent}},
		Files:     []Fact{{Label: t.Config, Text: at.Config}, {Label: t.State, Text: at.State}, {Label: t.Log, Text: at.Log}},
	}
	s := in.State
	if s == nil {
		return v
	}
	for i, l := range v.Languages {
		if l.Value == string(s.Settings.Language) {
			v.Language = i
		}
	}
	for _, p := range s.Policies {
		for name := range p.Settings {
			if v.Fixed == nil {
				v.Fixed = map[string]string{}
			}
			by := p.Source
			if p.Organisation != "" {
				by = p.Organisation + ", " + p.Source
			}
			v.Fixed[name] = fmt.Sprintf(t.Fixed, clean(by))
		}
	}
	for i, a := range v.Approvals {
		if a.Value == string(s.Settings.Approvals) {
			v.Approval = i
		}
	}
	v.Asked = programsOf(in)
	v.Notify = s.Settings.Notifications != account.NotificationsOff
	v.Programs[1].Text = Name(s.Agent.Version)
	where, state := t.Keyring, t.OpenNow
	if s.Vault.Backend == "passphrase" {
		where = t.PassFile
	}
	if !s.Vault.Open {
		state = t.LockedNow
	}
	v.Vault = []string{where + " (" + state + ")", t.VaultOther}
	return v
}
