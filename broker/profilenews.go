package broker

import (
	"slices"
	"time"

	"keyporter/broker/local"
)

// news returns those concerns about what the profile holds that the user has not
// agreed to before, and those about accounts whose tokens have gone elsewhere until
// now: a secret was given for the place that was shown then.
func (j *joinWork) news() []local.Concern {
	all := j.profile.Concerns()
	if j.joined != nil {
		all = slices.DeleteFunc(all, func(c local.Concern) bool { return slices.Contains(j.joined.Agreed, c) })
	}
	for _, m := range j.moves {
		told := func(c local.Concern) bool {
			return c.Code == m.Code && c.Account == m.Account && (c.Origin == m.Origin || c.Value == m.Origin)
		}
		if !slices.ContainsFunc(all, told) {
			all = append(all, m)
		}
	}
	return all
}

// origin returns the concerns about where the profile comes from.
func (j *joinWork) origin(url string) []local.Concern {
	all := []local.Concern{}
	now := &j.review.Signer
	if now.Standing == local.SignedExpired {
		all = append(all, local.Concern{Code: local.SignerExpired, Value: now.Fingerprint})
	}
	if j.joined == nil {
		return all
	}
	was := &j.joined.Signer
	same := now.Fingerprint == was.Fingerprint
	switch {
	case was.Fingerprint != "" && now.Fingerprint == "":
		all = append(all, local.Concern{Code: local.NoLongerSigned, Value: personOf(was)})
	case was.Fingerprint != "" && !same && (now.Standing != local.SignedKnown || now.Name != was.Name):
		all = append(all, local.Concern{Code: local.SignerChanged, Value: personOf(was)})
	case was.Fingerprint == "" && j.joined.URL != "" && j.joined.URL != url:
		all = append(all, local.Concern{Code: local.SourceChanged, Value: j.joined.URL})
	}
	if j.profile.IssuedAt.Before(j.joined.IssuedAt) {
		all = append(all, local.Concern{Code: local.OlderProfile, Value: j.joined.IssuedAt.UTC().Format(time.DateOnly)})
	}
	return all
}

func personOf(s *local.Signer) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Fingerprint
}
