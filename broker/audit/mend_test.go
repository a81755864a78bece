package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// What stands at a damaged end is what somebody who looks into it wants to see: it
// is kept, byte for byte, and the log goes on and says what is missing.
func TestADamagedLogIsSetAsideWholeAndNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(whole []byte) []byte
		want   string // said by Verify; empty: nothing is missing
	}{
		"overwritten with zeros":       {func([]byte) []byte { return make([]byte, 300) }, "missing or changed"},
		"zeros behind it":              {func(b []byte) []byte { return append(b, make([]byte, 300)...) }, ""},
		"cut in half":                  {func(b []byte) []byte { return b[:len(b)/2+7] }, "missing"},
		"cut in the first line":        {func(b []byte) []byte { return b[:20] }, "missing or changed"},
		"another's text behind it":     {func(b []byte) []byte { return append(b, "This is no record."...) }, ""},
		"a record and more behind it":  {func(b []byte) []byte { return append(b, `{"name":"a"} and more`...) }, ""},
		"more than a record behind it": {func(b []byte) []byte { return append(b, `{"name":"`+string(bytes.Repeat([]byte("x"), maxTorn))...) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 0)
			d.numbers(1, 9)
			d.end()
			whole, err := os.ReadFile(d.path(0))
			d.must(err)
			damaged := tt.damage(whole)
			d.must(os.WriteFile(d.path(0), damaged, 0o600))
			d.start()
			aside := d.path(0) + ".damaged-1"
			if got := d.SetAside(); got != aside {
				t.Errorf("SetAside = %q, want %q", got, aside)
			}
			if got, err := os.ReadFile(aside); err != nil || !bytes.Equal(got, damaged) {
				t.Errorf("what was set aside is not as it was: %v, %d bytes of %d", err, len(got), len(damaged))
			}
			d.numbers(10, 11)
			if tt.want == "" {
				d.whole(11)
				return
			}
			d.broken(tt.want)
		})
	}
}

// A line that a crash has left is nobody's evidence.
func TestATornLineIsNotSetAside(t *testing.T) {
	d := newDesk(t, 1500)
	for i := range 30 { // rotations come too
		d.numbers(i, i)
		d.must(d.Log.Sync())
		_, err := d.file.WriteString(`{"time":"2026-01-02T03:04:05Z","event":"ca`)
		d.must(err)
		d.die()
		d.start()
		if got := d.SetAside(); got != "" {
			t.Fatalf("after record %d: set aside as %s", i+1, got)
		}
	}
	if v := d.verify(); len(v.Broken) > 0 {
		t.Errorf("%+v", v.Broken)
	}
}

// Nobody's copy is replaced, and the disk is not filled with them: in the end the
// line stays where it is.
func TestSetAsideLogsAreFewAndNoneIsReplaced(t *testing.T) {
	d := newDesk(t, 0)
	for i := range maxAside + 1 {
		d.numbers(i, i)
		_, err := fmt.Fprintf(d.file, "damage %d", i)
		d.must(err)
		d.die()
		d.start()
	}
	for i := range maxAside {
		got, err := os.ReadFile(fmt.Sprintf("%s.damaged-%d", d.path(0), i+1))
		if want := fmt.Appendf(nil, "damage %d", i); err != nil || !bytes.HasSuffix(got, want) {
			t.Errorf("copy %d does not end in %q: %v", i+1, want, err)
		}
	}
	if names, err := filepath.Glob(d.path(0) + ".damaged-*"); err != nil || len(names) != maxAside {
		t.Errorf("%d copies, want %d: %v", len(names), maxAside, err)
	}
	d.numbers(90, 91)
	d.broken("this line is no record")
}

// A last record of a newer version is named, and nothing is written behind it.
func TestARecordOfANewerVersionIsNamedAndLeftAlone(t *testing.T) {
	for _, end := range []string{"\n", ""} {
		d := newDesk(t, 0)
		d.numbers(1, 9)
		newer := []byte(`{"version":2,"time":"2026-01-02T03:04:05Z","event":"call","seq":10,"seal":"another form"}`)
		d.edit(0, func(l [][]byte) [][]byte { return append(l, newer) })
		d.broken("written by a newer Keyporter")
		d.edit(0, func(l [][]byte) [][]byte {
			l[9] = bytes.Replace(l[8], []byte("{"), []byte(`{"version":2,`), 1)
			return append(l[:8], l[9])
		})
		d.broken("record 9 was written by a newer Keyporter")
		for _, b := range d.verify().Broken {
			if bytes.Contains([]byte(b.What), []byte("missing")) {
				t.Errorf("said too: %s", b.What)
			}
		}
		d.end()
		b, err := os.ReadFile(d.path(0))
		d.must(err)
		b = append(bytes.TrimSuffix(b, []byte("\n")), end...)
		d.must(os.WriteFile(d.path(0), b, 0o600))
		var named *NewerError
		if _, err := Open(d.opt); !errors.As(err, &named) || named.Path != d.path(0) {
			t.Errorf("Open = %v, want that %s is newer", err, d.path(0))
		}
		if got, err := os.ReadFile(d.path(0)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("the file is not as it was: %v", err)
		}
	}
}
