//go:build linux

package powercut

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A disk is what lies below one folder, in two conditions: as programs see it,
// and as it is known to be on the medium. A call that changes a folder reaches the
// medium by an fsync of the folder, content by an fsync of the file; before that,
// both may or may not.
type disk struct {
	root  string
	files map[int64]*handle // by descriptor
	now   map[string]*inode // by path, as programs see it
	moves []move            // of entries, in order
}

// A handle is an open file.
type handle struct {
	node   *inode
	path   string // of a folder
	at     int64
	append bool
}

// An inode is a file's content, or a folder.
type inode struct {
	folder  bool
	content []byte
	durable []byte
	edits   []edit // since the last fsync
}

// An edit is a write, or a cut if to is before from.
type edit struct{ from, to int64 }

// A move is a change of folders: entries that go, and one that comes.
type move struct {
	gone, name string // paths; empty for none
	node       *inode // what name is from now on
	durable    bool
	what       string
}

func newDisk(root string) *disk {
	return &disk{root: root, files: map[int64]*handle{}, now: map[string]*inode{root: {folder: true}}}
}

func (d *disk) inside(path string) bool {
	return path == d.root || strings.HasPrefix(path, d.root+"/")
}

// apply does a call. It reports whether it changed something below the root.
func (d *disk) apply(t *testing.T, c *call) bool {
	t.Helper()
	switch c.name {
	case "openat":
		return d.open(c)
	case "close":
		delete(d.files, c.number(0))
		return false
	case "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "lseek":
		return d.onFile(c)
	case "mkdirat", "unlinkat", "renameat", "renameat2", "linkat":
		return d.onFolder(t, c)
	case "truncate":
		if node := d.now[c.args[0]]; node != nil {
			node.cut(c.number(1))
			return true
		}
		return false
	case "fcntl":
		return false // locks, and flags that change nothing here
	}
	for _, arg := range c.args {
		if d.inside(arg) {
			t.Fatalf("%s of %s is not known to the simulator", c.name, arg)
		}
	}
	return false
}

func (d *disk) open(c *call) bool {
	path, flags := c.args[1], c.args[2]
	delete(d.files, c.ret)
	if !d.inside(path) {
		return false
	}
	node, changed := d.now[path], false
	if node == nil {
		if !strings.Contains(flags, "O_CREAT") {
			return false // not of the kinds that are kept here, as a socket
		}
		node, changed = &inode{}, true
		d.now[path] = node
		d.moves = append(d.moves, move{name: path, node: node, what: "make " + filepath.Base(path)})
	}
	if strings.Contains(flags, "O_TRUNC") && len(node.content) > 0 {
		node.cut(0)
		changed = true
	}
	d.files[c.ret] = &handle{node: node, path: path, append: strings.Contains(flags, "O_APPEND")}
	return changed
}

func (d *disk) onFile(c *call) bool {
	h := d.files[c.number(0)]
	if h == nil {
		return false
	}
	switch c.name {
	case "lseek":
		h.at = c.ret
		return false
	case "write":
		if h.append {
			h.at = int64(len(h.node.content))
		}
		h.node.write(h.at, c.args[1][:c.ret])
		h.at += c.ret
	case "pwrite64":
		h.node.write(c.number(3), c.args[1][:c.ret])
	case "ftruncate":
		h.node.cut(c.number(1))
	default: // fsync
		if h.node.folder {
			for i := range d.moves {
				m := &d.moves[i]
				m.durable = m.durable || m.gone != "" && filepath.Dir(m.gone) == h.path || m.name != "" && filepath.Dir(m.name) == h.path
			}
		} else {
			h.node.durable, h.node.edits = slices.Clone(h.node.content), nil
		}
	}
	return true
}

func (d *disk) onFolder(t *testing.T, c *call) bool {
	t.Helper()
	m := move{what: strings.TrimSuffix(c.name, "at")}
	switch c.name {
	case "mkdirat":
		m.name, m.node = c.args[1], &inode{folder: true}
	case "unlinkat":
		m.gone = c.args[1]
	default:
		m.name, m.node = c.args[3], d.now[c.args[1]]
		if c.name != "linkat" {
			m.gone = c.args[1]
		}
	}
	if !d.inside(m.gone) && !d.inside(m.name) {
		return false
	}
	if m.name != "" && m.node == nil {
		t.Fatalf("%s of %s, which is not known", c.name, c.args[1])
	}
	m.what += " " + filepath.Base(c.args[1])
	m.do(d.now)
	d.moves = append(d.moves, m)
	return true
}

func (m *move) do(tree map[string]*inode) {
	if m.gone != "" {
		delete(tree, m.gone)
	}
	if m.name != "" {
		tree[m.name] = m.node
	}
}

func (n *inode) write(at int64, data string) {
	end := at + int64(len(data))
	if missing := end - int64(len(n.content)); missing > 0 {
		n.content = append(n.content, make([]byte, missing)...)
	}
	copy(n.content[at:], data)
	n.edits = append(n.edits, edit{at, end})
}

func (n *inode) cut(size int64) {
	n.edits = append(n.edits, edit{from: int64(len(n.content)), to: size})
	n.content = append(slices.Clone(n.content[:min(size, int64(len(n.content)))]), make([]byte, max(0, size-int64(len(n.content))))...)
}

// after is what a file may hold after a power cut.
func (n *inode) after(how string) []byte {
	if len(n.edits) == 0 {
		return n.content
	}
	out := slices.Clone(n.content)
	last := n.edits[len(n.edits)-1]
	switch how {
	case "lost":
		return n.durable
	case "zeros": // the length is known, the blocks never came
		for _, e := range n.edits {
			if e.to > e.from {
				clear(out[min(e.from, int64(len(out))):min(e.to, int64(len(out)))])
			}
		}
	case "torn": // half of the last write
		if last.to > last.from && last.to == int64(len(out)) {
			out = out[:last.from+(last.to-last.from)/2]
		}
	}
	return out
}

// A condition is a disk after a power cut.
type condition struct {
	how  string
	tree map[string]content // by path below the root
}

type content struct {
	folder bool
	bytes  string
}

// conditions are those in which a power cut at this moment may leave the disk.
func (d *disk) conditions() []condition {
	var open []int // moves that may not have reached the medium
	for i, m := range d.moves {
		if !m.durable {
			open = append(open, i)
		}
	}
	all := slices.Repeat([]bool{true}, len(d.moves))
	out := []condition{d.condition("nothing lost", "as written", all)}
	none := slices.Clone(all)
	for _, i := range open {
		none[i] = false
	}
	for _, how := range []string{"lost", "zeros", "torn"} {
		out = append(out, d.condition("content "+how, how, all), d.condition("content "+how+", folders as synced", how, none))
	}
	for n, i := range open {
		first, but := slices.Clone(none), slices.Clone(all)
		for _, j := range open[:n] {
			first[j] = true
		}
		but[i] = false
		out = append(out, d.condition(fmt.Sprintf("from %q on nothing", d.moves[i].what), "lost", first), d.condition(fmt.Sprintf("without %q", d.moves[i].what), "lost", but))
	}
	return out
}

// condition is the disk with those moves that are chosen.
func (d *disk) condition(name, how string, chosen []bool) condition {
	tree := map[string]*inode{d.root: {folder: true}}
	for i := range d.moves {
		if m := &d.moves[i]; chosen[i] {
			m.do(tree)
		}
	}
	out := map[string]content{}
	for path, node := range tree {
		reached := true
		for dir := path; dir != d.root; {
			dir = filepath.Dir(dir)
			reached = reached && tree[dir] != nil
		}
		if reached {
			out[path] = content{node.folder, string(node.after(how))}
		}
	}
	return condition{name, out}
}

// key names a condition by what is on the disk.
func (c *condition) key() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(c.tree)) {
		fmt.Fprintf(&b, "%s %v %q\n", path, c.tree[path].folder, c.tree[path].bytes)
	}
	return b.String()
}

// restore makes the folder what the condition says.
func (c *condition) restore(t *testing.T, root string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(c.tree)) { // folders first
		if path == root {
			continue
		}
		if c.tree[path].folder {
			err = os.Mkdir(path, 0o700)
		} else {
			err = os.WriteFile(path, []byte(c.tree[path].bytes), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
