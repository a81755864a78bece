package install

import (
	"bytes"
	"slices"
	"strings"
)

// tomlc is the format of TOML files (TOML 1.0).
type tomlc struct{}

var _ format = tomlc{}

func (tomlc) quote(s string) string { return quote(s) }

// add writes an entry as a table of its own behind everything else, which is
// right wherever the others stand, with an empty line before it. Only where all
// entries stand in one inline table it goes there.
func (f tomlc) add(text []byte, path []string, key string, fields []field) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	if v != nil && v.flow {
		return f.addInline(text, v, key, fields)
	}
	lines := tomlLines(path, key, fields)
	if _, body := cutMark(text); len(body) > 0 {
		lines = append([]string{""}, lines...)
	}
	return appendLines(text, lines), nil
}

// tomlLines writes a table.
func tomlLines(path []string, key string, fields []field) []string {
	lines := []string{"[" + dotted(append(slices.Clone(path), key)) + "]"}
	return append(lines, tomlMembers(fields)...)
}

func tomlMembers(fields []field) []string {
	var members []string
	for _, x := range fields {
		members = append(members, bare(x.name)+" = "+literal(x.value, quote))
	}
	return members
}

// appendLines puts lines behind a text. The last one ends as the text's last one
// does: with a line end or without.
func appendLines(text []byte, lines []string) []byte {
	newline := newlineOf(text)
	block := strings.Join(lines, newline)
	if _, body := cutMark(text); len(body) > 0 && body[len(body)-1] != '\n' {
		return slices.Concat(text, []byte(newline+block))
	}
	return slices.Concat(text, []byte(block+newline))
}

// newlineOf returns how a text's first line ends.
func newlineOf(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// addInline adds to an inline table. It stays on one line.
func (tomlc) addInline(text []byte, v *Value, key string, fields []field) ([]byte, error) {
	if !commas(text, v) {
		return nil, errForm
	}
	in := &style{text: text, v: v, inline: true}
	return in.add(bare(key) + " = " + in.object(tomlMembers(fields)...)), nil
}

// commas finds the commas between the members of an inline table. It reports
// false where comments or names with dots make that more than a look.
func commas(text []byte, v *Value) bool {
	for i := range v.Members {
		m := &v.Members[i]
		next := v.End - 1
		if i+1 < len(v.Members) {
			next = v.Members[i+1].Start
		}
		if m.Value.End == 0 || m.Value.End > next {
			return false
		}
		switch gap := text[m.Value.End:next]; string(bytes.TrimSpace(gap)) {
		case ",":
			m.comma = m.Value.End + bytes.IndexByte(gap, ',')
		case "":
		default:
			return false
		}
	}
	return true
}

func (f tomlc) take(text []byte, path []string, key string) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	i, m := v.member(key)
	if v.flow {
		if !commas(text, v) {
			return nil, errForm
		}
		return cut(text, v, i), nil
	}
	pieces := m.lines()
	for i := len(pieces) - 1; i >= 0; i-- {
		text = cutLines(text, pieces[i], isHeader(text, pieces[i].start))
	}
	return text, nil
}

// lines returns the lines that make up a member, those in a row as one piece.
func (m *Member) lines() []span {
	var out []span
	for _, p := range m.pieces {
		if n := len(out); n > 0 && out[n-1].end == p.start {
			out[n-1].end = p.end
			continue
		}
		out = append(out, p)
	}
	return out
}

func isHeader(text []byte, at int) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text[at:], " \t"), []byte("["))
}

// replace writes a table in the place of a table; what stood elsewhere goes. An
// entry that is one value among others is replaced as a value.
func (f tomlc) replace(text []byte, path []string, key string, fields []field) (out, old []byte, err error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, nil, err
	}
	_, m := v.member(key)
	if m.Value.flow {
		in := &style{text: text, v: v, inline: true}
		return splice(text, m.Value.Start, m.Value.End, in.object(tomlMembers(fields)...)), text[m.Value.Start:m.Value.End], nil
	}
	pieces := m.lines()
	if len(pieces) == 0 || !isHeader(text, pieces[0].start) {
		return nil, nil, errForm // names with dots, below another table's header
	}
	out = text
	for i := len(pieces) - 1; i > 0; i-- {
		old = slices.Concat(text[pieces[i].start:pieces[i].end], old)
		out = cutLines(out, pieces[i], isHeader(out, pieces[i].start))
	}
	return swapLines(out, pieces[0], tomlLines(path, key, fields)), slices.Concat(text[pieces[0].start:pieces[0].end], old), nil
}

// swapLines writes lines in the place of others, and a line end behind them if
// those had one.
func swapLines(text []byte, p span, lines []string) []byte {
	newline := newlineOf(text)
	block := strings.Join(lines, newline)
	if text[p.end-1] == '\n' {
		block += newline
	}
	return splice(text, p.start, p.end, block)
}

func (f tomlc) putBack(text []byte, path []string, key string, old []byte) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	_, m := v.member(key)
	if m.Value.flow {
		return splice(text, m.Value.Start, m.Value.End, string(old)), nil
	}
	pieces := m.lines()
	if len(pieces) != 1 {
		return nil, errForm
	}
	return splice(text, pieces[0].start, pieces[0].end, string(old)), nil
}

// cutLines removes lines; above says that an empty line before them goes too. A
// text whose last line does not end keeps it so.
func cutLines(text []byte, p span, above bool) []byte {
	from := p.start
	if above {
		for _, end := range []string{"\r\n", "\n"} {
			if rest, ok := bytes.CutSuffix(text[:from], []byte(end)); ok && (len(bytes.TrimPrefix(rest, bom)) == 0 || rest[len(rest)-1] == '\n') {
				from = len(rest)
				break
			}
		}
	}
	if p.end == len(text) && !bytes.HasSuffix(text, []byte("\n")) {
		rest := bytes.TrimSuffix(text[:from], []byte("\n"))
		from = len(bytes.TrimSuffix(rest, []byte("\r")))
	}
	return slices.Concat(text[:from], text[p.end:])
}

// trace: tables around an entry's own need not be made; an empty inline table
// may have had white space in it.
func (f tomlc) trace(text []byte, path []string) (Trace, error) {
	v, _, err := find(f, text, path)
	if err != nil || v == nil || !v.flow || len(v.Members) > 0 {
		return Trace{}, err
	}
	return Trace{Empty: string(text[v.Start:v.End])}, nil
}

func (f tomlc) restore(text []byte, path []string, t Trace) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil || v == nil || t.Empty == "" || !v.flow || len(v.Members) > 0 {
		return text, err
	}
	return splice(text, v.Start, v.End, t.Empty), nil
}

// dotted writes a name of several parts.
func dotted(keys []string) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = bare(k)
	}
	return strings.Join(out, ".")
}

// bare writes one part of a name, in quotes where it has to be.
func bare(key string) string {
	if key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" {
		return key
	}
	return quote(key)
}
