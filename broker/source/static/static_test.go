package static_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"keyporter/broker/secret"
	"keyporter/broker/source/static"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

func TestTokenTravelsAsTheAccountSays(t *testing.T) {
	tests := []struct{ file, header, wantName, wantValue string }{
		{"SECRETWORD", "", "Authorization", "Bearer SECRETWORD"},
		{"SECRETWORD\n", "", "Authorization", "Bearer SECRETWORD"},
		{"SECRETWORD\r\n", "", "Authorization", "Bearer SECRETWORD"},
		{"Bearer SECRETWORD", "", "Authorization", "Bearer SECRETWORD"},
		{"bearer SECRETWORD\n", "", "Authorization", "Bearer SECRETWORD"},
		{"SECRETWORD", "X-API-Key", "X-API-Key", "SECRETWORD"},
		{"Basic SECRETWORD", "Authorization", "Authorization", "Basic SECRETWORD"},
	}
	for _, test := range tests {
		noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		src, err := static.New(static.Options{Value: secret.New(test.file), Header: test.header, Now: func() time.Time { return noon }})
		if err != nil {
			t.Errorf("%q: %v", test.file, err)
			continue
		}
		tok, err := src.Token(t.Context(), token.Request{})
		if err != nil {
			t.Errorf("%q: %v", test.file, err)
			continue
		}
		if tok.HeaderName() != test.wantName || tok.HeaderValue() != test.wantValue {
			t.Errorf("%q: got %s: %s, want %s: %s", test.file, tok.HeaderName(), tok.HeaderValue(), test.wantName, test.wantValue)
		}
		if !tok.Expiry.IsZero() || !tok.Issued.Equal(noon) {
			t.Errorf("%q: issued %v, expiry %v; want %v and none", test.file, tok.Issued, tok.Expiry, noon)
		}
	}
}

func TestWhatIsNoTokenIsNamedAndNotQuoted(t *testing.T) {
	tests := []struct{ name, file, header, want string }{
		{"empty", "", "", "is empty"},
		{"newline only", "\n", "", "is empty"},
		{"spaces", "  ", "X-API-Key", "is empty"},
		{"the word Bearer alone", "Bearer ", "", "is empty"},
		{"two lines", "SECRETWORD\nSECRETWORD\n", "", "more than one line"},
		{"two newlines", "SECRETWORD\n\n", "", "more than one line"},
		{"smuggled header", "SECRETWORD\r\nX-Evil: 1", "X-API-Key", "more than one line"},
		{"space inside", "SECRET WORD SECRETWORD", "", "space"},
		{"space at the end", "SECRETWORD ", "X-API-Key", "space"},
		{"tab", "SECRETWORD\t1", "X-API-Key", "characters"},
		{"control", "SECRETWORD\x00", "", "characters"},
		{"not ASCII", "SECRETWORDä", "", "characters"},
		{"byte order mark", "\ufeffSECRETWORD", "", "characters"},
		{"huge", strings.Repeat("SECRETWORD", 2000), "", "too long"},
		{"header of the protocol", "SECRETWORD", "Mcp-Session-Id", "belongs to the protocol"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := static.New(static.Options{Value: secret.New(test.file), Header: test.header})
			h := hint.Of(err)
			if err == nil || h.Code != hint.Usage || !strings.Contains(h.What, test.want) {
				t.Fatalf("err = %v, want a hint with %q", err, test.want)
			}
			if s := fmt.Sprintf("%v %+v %s", err, err, h.Text()); strings.Contains(s, "SECRETWORD") {
				t.Errorf("error quotes the token: %s", s)
			}
		})
	}
}

func TestEndedContextIsAnError(t *testing.T) {
	src, err := static.New(static.Options{Value: secret.New("SECRETWORD")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Token(ctx, token.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}
