package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"

	"keyporter/internal/hint"
)

// Unwritable gives words to an error of writing the file at path.
func Unwritable(path string, err error) *hint.Error {
	why, do := "", "Check that the disk has room and the folder is yours, then try again."
	switch {
	case Full(err):
		why, do = ": there is no space left for it", "Free some space, then try again."
	case ReadOnly(err):
		why, do = ": its disk is read-only", "Make the disk writable, then try again."
	case errors.Is(err, fs.ErrPermission):
		why, do = ": the system does not allow it", "Check that the folder is yours and can be written to, then try again."
	case errors.Is(err, fs.ErrNotExist):
		why, do = ": its folder is gone", "Make the folder, then try again."
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be written%s.", path, why), do)
}
