package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/policy"
	"keyporter/broker/team"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

// A profileRecord is what the vault has of a team profile that was joined: where
// it came from, who signed it, and what the user agreed to by itself. It is in the
// vault so that nothing that edits files can have agreed.
type profileRecord struct {
	URL      string          `json:"url,omitempty"`
	ETag     string          `json:"etag,omitempty"`
	IssuedAt time.Time       `json:"issued_at,omitzero"`
	JoinedAt time.Time       `json:"joined_at"`
	Signer   local.Signer    `json:"signer"`
	Agreed   []local.Concern `json:"agreed,omitempty"`
}

// A joinWork is a profile with all that is known about joining it.
type joinWork struct {
	profile *team.Profile
	plan    *team.Plan
	joined  *profileRecord // of the one of this name that was joined; nil: none
	targets map[string][]target
	resets  map[string]bool // accounts whose secret was for another place
	moves   []local.Concern // about tokens that have gone to one place and would go to another
	review  *local.Review
}

// ReviewProfile reads a team profile and says all that joining it would do.
func (b *Broker) ReviewProfile(ctx context.Context, r local.ReviewRequest) (*local.Review, error) {
	v, err := b.openedVault(ctx)
	if err != nil {
		return nil, err
	}
	if of, link, err := local.ParseProfileLink(r.URL); link {
		if err != nil {
			return nil, err
		}
		r = of
	}
	text, etag := r.Profile, ""
	if r.Name != "" {
		var joined profileRecord
		if err := readRecord(v, profileKey(r.Name), &joined); err != nil {
			return nil, notJoined(r.Name)
		}
		if joined.URL == "" {
			return nil, hint.New(hint.Usage, fmt.Sprintf("The profile %q did not come from an address, so there is nowhere to look for a new version.", r.Name), "Join the new file instead.")
		}
		r.URL, etag = joined.URL, joined.ETag
	}
	if r.URL != "" {
		got, err := b.fetchProfile(ctx, r.URL, etag)
		switch {
		case err != nil:
			return nil, err
		case got == nil: // as it was when it was joined
			return &local.Review{Name: r.Name, URL: r.URL, Update: true, Nothing: true, Changes: []local.ProfileChange{}, Concerns: []local.Concern{}}, nil
		}
		text, etag = got.text, got.etag
	}
	j, err := b.joining(b.config(), v, text, r.URL)
	if err != nil {
		return nil, err
	}
	if r.Name != "" && j.profile.Name != r.Name {
		return nil, hint.New(hint.Refused, fmt.Sprintf("At its address the profile %q is now another one, %q.", r.Name, j.profile.Name),
			"Ask whoever made it; if that is right, forget the old one and join the address anew.")
	}
	j.review.ETag = etag
	return j.review, nil
}

// records are what a joinWork reads of the vault.
type records interface {
	Get(string) (json.RawMessage, bool)
}

// joining finds out what joining a profile would do now.
func (b *Broker) joining(cfg *account.Config, v records, text []byte, url string) (*joinWork, error) {
	p, err := team.Parse(text)
	if err != nil {
		return nil, err
	}
	if !p.ExpiresAt.IsZero() && !b.opt.Now().Before(p.ExpiresAt) {
		return nil, hint.New(hint.Refused, fmt.Sprintf("The profile %q was good until %s.", p.Name, p.ExpiresAt.Local().Format(time.DateOnly)), "Ask whoever made it for a new one.")
	}
	signers, err := team.ReadSigners(b.opt.Paths.Signers())
	if err != nil {
		return nil, err
	}
	rules := b.policies()
	signer, err := team.SignerOf(text, p.Signature, append(rules.Signers(), signers...), b.opt.Now())
	if err != nil {
		return nil, err
	}
	if err := b.mayJoin(rules, p, text); err != nil {
		return nil, err
	}
	j := &joinWork{profile: p, plan: p.PlanOf(cfg), targets: map[string][]target{}, resets: map[string]bool{}}
	if _, ok := v.Get(profileKey(p.Name)); ok {
		j.joined = &profileRecord{}
		if err := readRecord(v, profileKey(p.Name), j.joined); err != nil {
			return nil, err
		}
	}
	j.review = &local.Review{
		Name: p.Name, Description: p.Description, URL: url, Update: j.joined != nil,
		IssuedAt: p.IssuedAt, ExpiresAt: p.ExpiresAt, Signer: *signer, Profile: text,
	}
	if err := j.accounts(cfg, v); err != nil {
		return nil, err
	}
	j.review.Changes = append([]local.ProfileChange{}, j.plan.Changes...)
	j.review.Concerns = append(j.origin(url), j.news()...)
	remembered := j.joined != nil && (url == "" || url == j.joined.URL)
	j.review.Nothing = remembered && len(j.review.Changes) == 0 && len(j.review.Concerns) == 0
	j.review.Digest, err = j.digest()
	return j, err
}

// mayJoin returns an error for a profile that the policies do not allow.
func (b *Broker) mayJoin(rules policy.Set, p *team.Profile, text []byte) error {
	err := rules.Signed(func(signers sshsig.Signers) bool {
		s, err := team.SignerOf(text, p.Signature, signers, b.opt.Now())
		return err == nil && s.Standing == local.SignedKnown
	})
	if err != nil {
		return err
	}
	for _, name := range p.ServerNames() {
		if err := allowed(rules, &account.Config{Accounts: p.Accounts}, p.Servers[name]); err != nil {
			return err
		}
	}
	for _, name := range p.AccountNames() {
		if err := rules.Kind(p.Accounts[name].Kind); err != nil {
			return err
		}
	}
	return nil
}

// digest names a review: what is done and what is agreed to.
func (j *joinWork) digest() (string, error) {
	of := *j.review
	of.ETag = ""
	b, err := json.Marshal(of)
	if err != nil {
		return "", fmt.Errorf("review profile: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// accounts finds out where the tokens of the profile's accounts go, and which
// secrets they need. An account that somebody has changed in config.json alone is
// not taken along: what is in the vault says where its tokens go.
func (j *joinWork) accounts(cfg *account.Config, v records) error {
	for _, name := range j.profile.ServerNames() {
		s := j.profile.Servers[name]
		to, err := targetOf(s.URL)
		if err != nil {
			return err
		}
		for _, l := range s.Layers() {
			if here := j.plan.Local[l.Account]; here != "" {
				j.targets[here] = append(j.targets[here], to)
			}
		}
	}
	for _, name := range j.profile.AccountNames() {
		here := j.plan.Local[name]
		var rec accountRecord
		if _, ok := v.Get(accountKey(here)); ok {
			if err := readRecord(v, accountKey(here), &rec); err != nil {
				return err
			}
			if old := cfg.Accounts[here]; old != nil {
				if err := rec.agrees(old); err != nil {
					return err
				}
			}
		}
		j.account(name, j.plan.Accounts[here], &rec)
	}
	return nil
}

// account completes the change of one account; rec is zero for a new one.
func (j *joinWork) account(name string, a *account.Account, rec *accountRecord) {
	at := slices.IndexFunc(j.plan.Changes, func(c local.ProfileChange) bool { return c.Account && c.Name == a.Name })
	c := local.ProfileChange{Op: local.Changed, Account: true, Name: a.Name}
	if at >= 0 {
		c = j.plan.Changes[at]
	}
	j.resets[a.Name] = rec.Kind != "" && rec.elsewhere(a)
	after := accountRecord{Targets: slices.Clone(rec.Targets)}
	for _, to := range j.targets[a.Name] {
		if after.covers(to) {
			continue
		}
		if from := rec.otherOrigin(to); from != "" {
			j.moves = append(j.moves, local.Concern{Code: local.SeveralServers, Account: name, Value: from, Origin: to.Origin})
		}
		after.bind(to)
		c.To = append(c.To, to.String())
	}
	_, given := j.profile.ClientSecrets[name]
	switch {
	case rec.Kind != "" && !j.resets[a.Name]:
	case team.NeedsSecret(a) && !given:
		c.Needs = local.OwnSecret
	case a.Kind == account.Google:
		c.Needs = local.NeedsSignIn
	}
	switch {
	case at >= 0:
		j.plan.Changes[at] = c
	case len(c.To) > 0 || c.Needs != "":
		j.plan.Changes = append(j.plan.Changes, c)
	}
}

// ForgetProfile leaves what came from a profile to the user: nothing looks for new
// versions, and a profile of that name no longer changes it.
func (b *Broker) ForgetProfile(ctx context.Context, n local.Name) error {
	if err := b.mayForget(n.Name); err != nil {
		return err
	}
	err := b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		if _, ok := tx.Get(profileKey(n.Name)); !ok {
			return notJoined(n.Name)
		}
		tx.Delete(profileKey(n.Name))
		for name, s := range cfg.Servers {
			if s.Team != nil && s.Team.Profile == n.Name {
				own := *s
				own.Team = nil
				cfg.Servers[name] = &own
			}
		}
		for name, a := range cfg.Accounts {
			if a.Team != nil && a.Team.Profile == n.Name {
				own := *a
				own.Team = nil
				cfg.Accounts[name] = &own
			}
		}
		return nil
	})
	if err == nil {
		b.recordBy(ctx, local.AuditRecord{Event: "forget", Name: n.Name, Outcome: "ok"})
	}
	return err
}

func notJoined(name string) error {
	return hint.New(hint.NotFound, fmt.Sprintf("No profile named %q was joined.", clip(name)), "See keyporter join --list.")
}
