package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"

	"keyporter/internal/hint"
)

// Words are what to tell a person about one error code: what happened and what
// to do, each a sentence.
type Words struct{ What, Do string }

// Explain gives words to an error of a token request that no person waits for.
// host is who was asked. codes has the words for an *Error by its code, or by the
// one that it stands for, and those for any other under "". An error that has words
// already keeps them.
func Explain(err error, host string, codes map[string]Words) error {
	var refusal *Error
	var worded *hint.Error
	var network net.Error
	var odd *unusable
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &refusal) && refusal.Temporary():
		return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s has a problem at the moment.", host), "Try again later.")
	case refusal != nil:
		if untimely := refusal.Untimely(err, host); untimely != nil {
			return untimely
		}
		w, ok := codes[refusal.Code]
		if standard := others[refusal.Code]; !ok && standard != "" {
			w, ok = codes[standard]
		}
		if !ok {
			w = codes[""]
		}
		return hint.Wrap(err, hint.Refused, w.What, w.Do)
	case errors.As(err, &worded) && !errors.As(err, &odd):
		return err
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded):
		return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("Keyporter cannot reach %s.", host), "Check the network connection and the proxy.")
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("%s answered something that is not a token.", host), "Check the token endpoint's address.")
}
