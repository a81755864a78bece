package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"keyporter/broker/local"
)

// A TeamView is the page Team.
type TeamView struct {
	Servers  []string // that can be shared
	Profiles []ProfileRow
	Fixed    []string // what the organisation has fixed, and where that stands
}

// A ProfileRow is one profile that was joined.
type ProfileRow struct {
	Name    string // as the agent knows it
	Label   string
	Says    string
	Updates bool // it came from an address, where there may be a new version
}

// TeamOf returns the page Team.
func TeamOf(in Input) TeamView {
	v := TeamView{}
	if in.State == nil {
		return v
	}
	t := &in.Texts.Team
	for _, s := range in.State.Servers {
		v.Servers = append(v.Servers, s.Name)
	}
	for _, p := range in.State.Profiles {
		said := []string{t.Unsigned}
		if p.Signer != "" {
			said[0] = fmt.Sprintf(t.Signed, line(p.Signer))
		}
		if !p.JoinedAt.IsZero() {
			said = append(said, fmt.Sprintf(t.Joined, in.Texts.Ago(in.Now.Sub(p.JoinedAt))))
		}
		if p.URL != "" {
			said = append(said, line(p.URL))
		}
		said = append(said, strings.Join(names(p.Servers), ", "))
		v.Profiles = append(v.Profiles, ProfileRow{Name: p.Name, Label: Name(p.Name), Says: strings.Join(said, " ‧ "), Updates: p.URL != ""})
	}
	for _, p := range in.State.Policies {
		v.Fixed = append(v.Fixed, fixedBy(in.Texts, &p)...)
	}
	return v
}

func names(list []string) []string {
	var all []string
	for _, n := range list {
		all = append(all, Name(n))
	}
	return all
}

// fixedBy says what one policy fixes.
func fixedBy(texts *Texts, p *local.PolicyState) []string {
	t := &texts.Team
	who := fmt.Sprintf(t.FixedHere, clean(p.Source))
	if p.Organisation != "" {
		who = fmt.Sprintf(t.FixedBy, Name(p.Organisation), clean(p.Source))
	}
	all := []string{who}
	if p.Problem != nil {
		all = append(all, clean(p.Problem.Text()))
	}
	if len(p.Origins) > 0 {
		all = append(all, fmt.Sprintf(t.Origins, strings.Join(p.Origins, ", ")))
	}
	if len(p.Kinds) > 0 {
		var kinds []string
		for _, k := range p.Kinds {
			kinds = append(kinds, texts.kind(k))
		}
		all = append(all, fmt.Sprintf(t.Kinds, strings.Join(kinds, ", ")))
	}
	var fixed, not []string
	for _, n := range slices.Sorted(maps.Keys(p.Settings)) {
		if setting := clean(n + "=" + p.Settings[n]); slices.Contains(p.Unknown, n) {
			not = append(not, setting)
		} else {
			fixed = append(fixed, setting)
		}
	}
	if len(fixed) > 0 {
		all = append(all, fmt.Sprintf(t.Settings, strings.Join(fixed, ", ")))
	}
	if len(not) > 0 {
		all = append(all, fmt.Sprintf(t.NotHere, strings.Join(not, ", ")))
	}
	if p.Profile != "" {
		all = append(all, fmt.Sprintf(t.Everybody, clean(p.Profile)))
	}
	if p.Signed {
		all = append(all, t.SignedOnly)
	}
	return all
}

// A ReviewView is what joining a profile would do.
type ReviewView struct {
	Title    string
	About    []string // who it is from
	Changes  []ChangeView
	Concerns []string
	Trust    bool // its key may be trusted from now on
}

// A ChangeView is one change: a line, and what it consists of.
type ChangeView struct {
	Line    string
	Details []string
}

// ReviewOf returns what a review says.
func ReviewOf(texts *Texts, r *local.Review) ReviewView {
	t := &texts.Team
	v := ReviewView{Title: Name(r.Name), Trust: r.Signer.Standing == local.SignedUnknown}
	if r.Description != "" {
		v.About = append(v.About, clean(r.Description))
	}
	v.About = append(v.About, signedBy(t, &r.Signer))
	if r.URL != "" {
		v.About = append(v.About, fmt.Sprintf(t.From, clean(r.URL)))
	}
	if !r.IssuedAt.IsZero() {
		v.About = append(v.About, fmt.Sprintf(t.MadeOn, r.IssuedAt.Local().Format(time.DateOnly)))
	}
	if !r.ExpiresAt.IsZero() {
		v.About = append(v.About, fmt.Sprintf(t.Until, r.ExpiresAt.Local().Format(time.DateOnly)))
	}
	for _, c := range r.Changes {
		v.Changes = append(v.Changes, changeOf(t, &c))
	}
	if len(r.Changes) == 0 {
		v.Changes = []ChangeView{{Line: t.Nothing}}
	}
	for _, c := range r.Concerns {
		v.Concerns = append(v.Concerns, concern(t, &c))
	}
	return v
}

func signedBy(t *Team, s *local.Signer) string {
	switch s.Standing {
	case local.Unsigned:
		return t.Unsigned
	case local.SignedKnown:
		return fmt.Sprintf(t.Signed, Name(s.Name))
	case local.SignedExpired:
		return fmt.Sprintf(t.Expired, s.Fingerprint)
	}
	return fmt.Sprintf(t.Unknown, s.Fingerprint)
}

func changeOf(t *Team, c *local.ProfileChange) ChangeView {
	what := fmt.Sprintf(t.Server, c.Name)
	if c.Account {
		what = fmt.Sprintf(t.Account, c.Name)
	}
	v := ChangeView{Line: "~ " + what}
	switch c.Op {
	case local.Added:
		v.Line = "+ " + what
	case local.Removed:
		v.Line = "− " + what
	case local.Released:
		v.Line = fmt.Sprintf(t.Released, what)
	}
	if c.As != "" {
		v.Details = append(v.Details, fmt.Sprintf(t.NameUsed, c.As))
	}
	for _, m := range c.Members {
		name := strings.ReplaceAll(m.Name, "_", "-")
		if c.Op == local.Added {
			v.Details = append(v.Details, clean(name+": "+m.New))
		} else {
			v.Details = append(v.Details, clean(name+": "+or(m.Old, t.Empty)+" → "+or(m.New, t.Empty)))
		}
	}
	for _, to := range c.To {
		v.Details = append(v.Details, fmt.Sprintf(t.To, clean(to)))
	}
	switch {
	case c.Needs == local.NeedsSignIn:
		v.Details = append(v.Details, t.NeedsYou)
	case c.Needs != "":
		v.Details = append(v.Details, t.NeedsKey)
	}
	return v
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func concern(t *Team, c *local.Concern) string {
	return strings.NewReplacer("{server}", clean(c.Server), "{account}", clean(c.Account), "{value}", clean(c.Value), "{origin}", clean(c.Origin)).
		Replace(t.Concerns.of(c.Code))
}

// of returns the text for a code.
func (c *Concerns) of(code local.ConcernCode) string {
	switch code {
	case local.AudienceElsewhere:
		return c.Audience
	case local.ResourceElsewhere:
		return c.Resource
	case local.IssuerElsewhere:
		return c.Issuer
	case local.GoogleAccess:
		return c.GoogleAccess
	case local.SeveralServers:
		return c.Several
	case local.NoResource:
		return c.NoResource
	case local.SignInChanged:
		return c.SignInWay
	case local.SendsIDToken:
		return c.IDToken
	case local.PrivateHost:
		return c.PrivateHost
	case local.ThisComputer:
		return c.ThisComputer
	case local.SecretElsewhere:
		return c.SecretRef
	case local.SignerChanged:
		return c.SignerChanged
	case local.NoLongerSigned:
		return c.UnsignedNow
	case local.SignerExpired:
		return c.SignerExpired
	case local.SourceChanged:
		return c.SourceChanged
	case local.OlderProfile:
		return c.Older
	}
	return fmt.Sprintf(c.Other, clean(string(code)))
}

// SharedOf says what a profile that was made leaves out, and that it was searched.
func SharedOf(texts *Texts, p *local.SharedProfile) []string {
	t := &texts.Team
	all := []string{fmt.Sprintf(t.Checked, p.Searched)}
	for _, l := range p.Left {
		who := or(l.Server, l.Account)
		switch l.What {
		case local.OwnSecret:
			all = append(all, fmt.Sprintf(t.OwnKey, who))
		case local.OwnAccount:
			all = append(all, fmt.Sprintf(t.OwnLogin, who))
		default:
			all = append(all, fmt.Sprintf(t.LeftOut, who, strings.ReplaceAll(l.What, "_", "-")))
		}
	}
	return all
}
