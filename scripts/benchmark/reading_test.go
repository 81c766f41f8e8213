package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A mount that fails or ends a file early must not pass for a fast one.
func TestReadersNoticeWhatIsMissing(t *testing.T) {
	for _, name := range []string{"read-dd", "read-cat", "read-four", "reread"} {
		t.Run(name, func(t *testing.T) {
			w, err := workloadOf(name)
			if err != nil {
				t.Fatal(err)
			}
			p := place{Dir: t.TempDir(), Sizes: sizes{Large: 2 << 20, Medium: 1 << 20}}
			for _, o := range w.objects(p.Sizes) {
				if err := os.WriteFile(filepath.Join(p.Dir, o.key), make([]byte, o.size), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.run(p); err != nil {
				t.Errorf("all is there: %v", err)
			}
			first := w.objects(p.Sizes)[0]
			path := filepath.Join(p.Dir, first.key)
			if err := os.Truncate(path, first.size-1); err != nil {
				t.Fatal(err)
			}
			if w.run(p) == nil {
				t.Error("a byte less than there should be goes unnoticed")
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if w.run(p) == nil {
				t.Error("a file that is not there goes unnoticed")
			}
		})
	}
}
