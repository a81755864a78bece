package bridge

import (
	"context"
	"fmt"
	"log/slog"

	"keyporter/broker/secret"
)

// maxLogged is how much of one value goes into the log, in characters.
const maxLogged = 1000

// A quoting is a log handler that treats each value as the server's words: an error
// may repeat them, with what the server was sent.
type quoting struct {
	slog.Handler
	sent *secret.Sent
}

// Handle implements slog.Handler.
func (q quoting) Handle(ctx context.Context, r slog.Record) error {
	quoted := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		quoted.AddAttrs(q.attr(a))
		return true
	})
	return q.Handler.Handle(ctx, quoted)
}

// WithAttrs implements slog.Handler.
func (q quoting) WithAttrs(attrs []slog.Attr) slog.Handler {
	quoted := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		quoted[i] = q.attr(a)
	}
	return quoting{q.Handler.WithAttrs(quoted), q.sent}
}

// WithGroup implements slog.Handler.
func (q quoting) WithGroup(name string) slog.Handler {
	return quoting{q.Handler.WithGroup(name), q.sent}
}

func (q quoting) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString, slog.KindAny:
		if v.Any() != nil {
			return slog.String(a.Key, q.sent.Quote(fmt.Sprint(v.Any()), maxLogged))
		}
	case slog.KindGroup:
		group := make([]slog.Attr, len(v.Group()))
		for i, in := range v.Group() {
			group[i] = q.attr(in)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	}
	return a
}
