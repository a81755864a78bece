package atomicfile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// SyncDir does nothing: Windows has no fsync of a folder, and NTFS journals
// renames.
func SyncDir(string) error { return nil }

// renameLimit is how long a rename is tried again.
const renameLimit = 2 * time.Second

// Rename puts the file from in the place of the file to. Virus scanners and
// search indexers hold a file open for a moment after it was written, and a
// rename fails while they do, so it is tried again for two seconds.
func Rename(from, to string) error {
	wait := time.Millisecond
	for start := time.Now(); ; wait *= 2 {
		err := os.Rename(from, to)
		held := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !held || time.Since(start) > renameLimit {
			return err
		}
		time.Sleep(wait)
	}
}
