package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/policy"
	"keyporter/broker/team"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// lookAtPolicy is how often the organisation's policy is read again, and the
// profile that it wants everybody to join.
const lookAtPolicy = 5 * time.Minute

// policies returns the organisation's policies, a value that is never changed.
func (b *Broker) policies() policy.Set {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.policy
}

// choices returns the settings that count: the user's, with those that are fixed in
// their place. b.mu is held.
func (b *Broker) choices() account.Choices {
	c := b.policy.Choices(b.cfg.Settings.Choices)
	c.Approvals = b.approvalMode()
	return c
}

// settings is choices for those who do not hold b.mu.
func (b *Broker) settings() account.Choices {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.choices()
}

// allowed returns an error for a server that the policies do not allow, or whose
// accounts they do not. An account that there is not is another's error.
func allowed(set policy.Set, cfg *account.Config, s *account.Server) error {
	if s.URL != googleTarget.Origin { // which is no MCP server, but stands for an account
		if err := set.Server(s); err != nil {
			return err
		}
	}
	for _, l := range s.Layers() {
		if a := cfg.Accounts[l.Account]; a != nil {
			if err := set.Kind(a.Kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepPolicy reads the policies again now and then, and joins the profile that
// they name.
func (b *Broker) keepPolicy(ctx context.Context) {
	if b.opt.Policy == nil {
		return
	}
	tick := time.NewTicker(lookAtPolicy)
	defer tick.Stop()
	for {
		b.joinPolicy(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		set := b.opt.Policy()
		if !reflect.DeepEqual(set, b.policies()) {
			b.update(func() { b.policy = set })
		}
	}
}

// joinPolicy joins the profile that everybody joins. The policy's word is the
// agreement: only an administrator can have written it.
func (b *Broker) joinPolicy(ctx context.Context) {
	where := b.policies().Profile()
	if where == "" {
		b.update(func() { b.ordered, b.orderProblem = "", nil })
		return
	}
	name, err := b.joinFrom(ctx, where)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		b.opt.Log.Warn("profile of the policy not joined", "err", err)
	}
	b.update(func() {
		b.orderProblem = hint.Of(err)
		if name != "" {
			b.ordered = name
		}
	})
}

// joinFrom joins a profile from a file or an address and returns its name.
func (b *Broker) joinFrom(ctx context.Context, where string) (string, error) {
	r := local.ReviewRequest{URL: where}
	if filepath.IsAbs(where) {
		text, err := readProfileFile(where)
		if err != nil {
			return "", err
		}
		r = local.ReviewRequest{Profile: text}
	}
	review, err := b.ReviewProfile(ctx, r)
	if err != nil || review.Nothing {
		return nameOf(review), err
	}
	_, err = b.JoinProfile(ctx, local.JoinRequest{Profile: review.Profile, URL: review.URL, ETag: review.ETag, Digest: review.Digest, Agreed: true})
	return review.Name, err
}

func nameOf(r *local.Review) string {
	if r == nil {
		return ""
	}
	return r.Name
}

func readProfileFile(path string) ([]byte, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The profile %s, which the policy wants everybody to join, cannot be read.", path), "Ask whoever looks after this computer.")
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, team.MaxSize+1))
}

// policyStates says what is fixed. b.mu is held.
func (b *Broker) policyStates() []local.PolicyState {
	all := b.policy.State()
	for i := range all {
		if all[i].Profile != "" && all[i].Problem == nil {
			all[i].Problem = b.orderProblem
		}
	}
	return all
}

var errOrdered = errors.New("it is joined by policy")

// mayForget returns an error for the profile that everybody joins.
func (b *Broker) mayForget(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name != "" && name == b.ordered {
		return hint.Wrap(errOrdered, hint.Refused, fmt.Sprintf("Everybody joins the profile %q: the policy of your organisation says so.", name), "Ask whoever looks after this computer.")
	}
	return nil
}
