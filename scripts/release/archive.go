package main

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// tarball writes a tree below a folder called name. Its bytes follow from the
// files' names, contents and modes: order, owner and time are given.
func tarball(w io.Writer, tree, name string, date time.Time) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestCompression) // without name and time
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	err = walk(tree, name, func(entry string, dir bool, mode int64, content []byte) error {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: entry, Mode: mode, Size: int64(len(content)), ModTime: date, Format: tar.FormatGNU}
		if dir {
			header.Typeflag, header.Name = tar.TypeDir, entry+"/"
		}
		if err := tw.WriteHeader(header); err != nil {
			return err
		}
		_, err := tw.Write(content)
		return err
	})
	return errors.Join(err, tw.Close(), zw.Close())
}

// zipped is tarball as a .zip.
func zipped(w io.Writer, tree, name string, date time.Time) error {
	zw := zip.NewWriter(w)
	zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	err := walk(tree, name, func(entry string, dir bool, mode int64, content []byte) error {
		header := &zip.FileHeader{Name: entry, Method: zip.Deflate, Modified: date.UTC()}
		header.SetMode(os.FileMode(mode))
		if dir {
			header.Name, header.Method = entry+"/", zip.Store
			header.SetMode(os.ModeDir | os.FileMode(mode))
		}
		f, err := zw.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return err
	})
	return errors.Join(err, zw.Close())
}

// walk calls visit for each folder and file of the tree, folders first and all in
// the order of their names. A program's mode is 755 and another file's 644.
func walk(tree, name string, visit func(entry string, dir bool, mode int64, content []byte) error) error {
	if err := visit(name, true, 0o755, nil); err != nil {
		return err
	}
	entries, err := os.ReadDir(tree) // sorted
	if err != nil {
		return err
	}
	for _, e := range entries {
		file, entry := filepath.Join(tree, e.Name()), path.Join(name, e.Name())
		if e.IsDir() {
			if err := walk(file, entry, visit); err != nil {
				return err
			}
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := visit(entry, false, fileMode(entry), content); err != nil {
			return err
		}
	}
	return nil
}

// fileMode is decided by the name: Windows and a strange umask keep no modes.
func fileMode(name string) int64 {
	base := path.Base(name)
	if strings.HasPrefix(base, "keyporter") && (path.Ext(base) == "" || path.Ext(base) == ".exe") {
		return 0o755
	}
	return 0o644
}
