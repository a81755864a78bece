package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"

	"filippo.io/age"

	"keyporter/internal/atomicfile"
)

// documentVersion is the version of the stored document that this program
// writes, and the newest one that it reads. It covers the records too: a program
// drops the fields of a record that it does not know when it writes that record
// again, and does not heed them before. So a new field of the document or of a
// record that an older program must neither lose nor ignore, such as a limit on
// where a token may go, raises the version, and the older program leaves the vault
// alone. One that only costs comfort does not.
const documentVersion = 1

// maxFile is how large a vault may be, in bytes. Thousands of grants need less
// than a tenth of it.
const maxFile = 64 << 20

// A document is what vault.age holds once it is decrypted.
type document struct {
	Version    int                        `json:"version"`
	Generation uint64                     `json:"generation"`         // 1 for a new vault, more with each write
	Restored   bool                       `json:"restored,omitempty"` // see File.Restored
	Records    map[string]json.RawMessage `json:"records"`

	sum [sha256.Size]byte // of the file that it was read from or is written to
}

// next returns the document that is written after d, with records of its own.
func (d document) next() document {
	records := maps.Clone(d.Records)
	if records == nil {
		records = map[string]json.RawMessage{}
	}
	return document{Version: documentVersion, Generation: d.Generation + 1, Records: records}
}

// What readVault can say about a file that is there.
var (
	errCorrupt = errors.New("the file is damaged")
	errNoMatch = errors.New("the key does not open the file")
)

// seal encrypts a document for the identity's recipient.
func seal(d *document, to age.Recipient) ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode vault: %w", err)
	}
	data, err := encrypt(text, to)
	d.sum = sha256.Sum256(data)
	return data, err
}

func encrypt(text []byte, to age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if out.Len() > maxFile {
		return nil, fmt.Errorf("%w: %d bytes", errTooLarge, out.Len())
	}
	return out.Bytes(), nil
}

// The first line of an age file, and that of one in a form to come.
const ageVersion = "age-encryption.org/v1\n"

var newerAge = regexp.MustCompile(`^age-encryption\.org/v([2-9]|[1-9][0-9]+)\n`)

// decrypt returns errNoMatch if the file is for another identity, ErrNewer if it is in
// a newer form of age's, and errCorrupt if it is not a whole age file. age
// authenticates every byte, the end included.
func decrypt(data []byte, id age.Identity) ([]byte, error) {
	if end := len(newerAge.Find(data)); end > 0 {
		// A damaged number is told from another form: with the right one, all is right.
		if _, err := decrypt(slices.Concat([]byte(ageVersion), data[end:]), id); err == nil {
			return nil, fmt.Errorf("%w: its first line", errCorrupt)
		}
		return nil, fmt.Errorf("%w: its encryption", ErrNewer)
	}
	r, err := age.Decrypt(bytes.NewReader(data), id)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, errNoMatch
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errCorrupt, err)
	}
	return text, nil
}

// open decrypts and decodes a document.
func open(data []byte, id age.Identity) (document, error) {
	text, err := decrypt(data, id)
	if err != nil {
		return document{}, err
	}
	var version struct {
		Version int `json:"version"`
	}
	// The decoder's own error could quote what was decrypted.
	if json.Unmarshal(text, &version) != nil || version.Version < 1 {
		return document{}, fmt.Errorf("%w: its content is not a vault", errCorrupt)
	}
	if version.Version > documentVersion {
		return document{}, fmt.Errorf("%w: version %d", ErrNewer, version.Version)
	}
	var d document
	if json.Unmarshal(text, &d) != nil {
		return document{}, fmt.Errorf("%w: its content is not a vault", errCorrupt)
	}
	d.sum = sha256.Sum256(data)
	return d, nil
}

// readVault reads a file of the vault: fs.ErrNotExist and other errors of the
// file system, errCorrupt, errNoMatch, ErrNewer, or the document.
func readVault(path string, id age.Identity) (document, error) {
	data, err := readFile(path)
	if err != nil {
		return document{}, err
	}
	doc, err := open(data, id)
	return doc, named(path, err)
}

// named gives ErrNewer the file's name.
func named(path string, err error) error {
	if errors.Is(err, ErrNewer) {
		return &newerError{path, err}
	}
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%w: longer than %d bytes", errCorrupt, maxFile)
	}
	return data, err
}
