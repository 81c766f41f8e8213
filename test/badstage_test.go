package test

import (
	"bytes"
	"cmp"
	le "encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
)

// leftover is a stage directory with files that were acknowledged and are not
// in the bucket.
type leftover struct {
	s     *store
	stage string
	files map[string]string
}

// leaveFiles kills a mount in write-back mode whose uploads are refused.
func leaveFiles(t testing.TB) *leftover {
	t.Helper()
	s, server := startEmulator(t, emulator.Options{})
	l := &leftover{s: s, stage: root().dir(t), files: map[string]string{"first": "inline", "second": "inline, too", "large": random(2 << 20)}}
	repair := refuseUploads(server)
	m := s.mount(t, root(), "--write-back", "--stage-dir="+l.stage)
	p := m.start(t)
	for name, content := range l.files {
		ok(t, p.writeFile(name, content))
	}
	m.kill(t)
	p.end()
	m.ncloudfs(t, 0, "umount", m.path)
	repair()
	return l
}

// path is where a file of the stage directory is, the largest that fits a
// pattern.
func (l *leftover) path(t testing.TB, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(l.stage + "/*/" + pattern)
	ok(t, err)
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(fileSize(t, a), fileSize(t, b)) })
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	ok(t, err)
	return info.Size()
}

// content is all that must not be lost.
func (l *leftover) content(t testing.TB) string {
	t.Helper()
	journal := l.path(t, "journal")
	text, err := os.ReadFile(journal)
	ok(t, err)
	return string(text) + filesIn(t, filepath.Dir(journal)+"/data")
}

// frame is one of a journal: magic, length, CRC32C, payload.
type frame struct {
	offset  int
	payload []byte
}

const frameHead = 12

func frames(t testing.TB, journal []byte) []frame {
	t.Helper()
	var all []frame
	for off := 0; bytes.HasPrefix(journal[off:], []byte("NCJ1")); {
		size := int(le.LittleEndian.Uint32(journal[off+4:]))
		all = append(all, frame{off, journal[off+frameHead:][:size]})
		off += frameHead + size
	}
	if len(all) < 4 {
		t.Fatalf("the journal has %d frames", len(all))
	}
	return all
}

// seal makes the checksum of a frame fit what was changed in it.
func (f frame) seal(journal []byte) {
	le.LittleEndian.PutUint32(journal[f.offset+8:], crc32.Checksum(f.payload, crc32.MakeTable(crc32.Castagnoli)))
}

// damage changes the journal.
func (l *leftover) damage(t testing.TB, change func(journal []byte, all []frame)) {
	t.Helper()
	path := l.path(t, "journal")
	journal, err := os.ReadFile(path)
	ok(t, err)
	change(journal, frames(t, journal))
	ok(t, os.WriteFile(path, journal, 0o600))
}

// TestBadRecordsAndFilesAreReportedAndKept: the others are uploaded.
func TestBadRecordsAndFilesAreReportedAndKept(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]struct {
		do   func(*testing.T, *leftover)
		lost string // a file that cannot be uploaded
		says []string
	}{
		"a torn last record": {do: func(t *testing.T, l *leftover) {
			l.damage(t, func(journal []byte, all []frame) {
				last := all[len(all)-1]
				end := last.offset + frameHead + len(last.payload)
				copy(journal[end:], journal[last.offset:end-len(last.payload)/2])
			})
		}},
		"corrupt records": {lost: "second", says: []string{"damaged", "a copy of the damaged journal is kept"}, do: func(t *testing.T, l *leftover) {
			l.damage(t, func(journal []byte, all []frame) {
				for _, f := range all {
					if bytes.Contains(f.payload, []byte(`"c2Vjb25k"`)) { // the key, in base64
						f.payload[len(f.payload)/2] ^= 1
					}
				}
			})
		}},
		"a short data file": {lost: "large", says: []string{"large", "bytes and should have"}, do: func(t *testing.T, l *leftover) {
			ok(t, os.Truncate(l.path(t, "data/*"), 1<<20))
		}},
		"no data file": {lost: "large", says: []string{"large", "its local bytes are gone"}, do: func(t *testing.T, l *leftover) {
			ok(t, os.Remove(l.path(t, "data/*")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := leaveFiles(t)
			bad.do(t, l)
			m := l.s.mount(t, root(), "--stage-dir="+l.stage)
			m.ncloudfs(t, 0, "sync", m.path)
			for name, content := range l.files {
				if name != bad.lost {
					equal(t, name, l.s.content(t, name), content)
				}
			}
			if bad.lost != "" && l.s.exists(t, bad.lost) {
				t.Errorf("%s was uploaded", bad.lost)
			}
			m.unmount(t)
			for _, want := range bad.says {
				says(t, m.log.String(), want)
			}
			if bad.lost != "" {
				says(t, m.log.String(), l.stage)
			}
			if strings.Contains(name, "data file") { // it stays to be looked at, or discarded
				says(t, m.ncloudfs(t, 0, "pending", "--stage-dir="+l.stage), bad.lost)
			}
		})
	}
}

// TestBadJournalIsRefusedAndLeftAlone: nothing of it is overwritten.
func TestBadJournalIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]struct {
		do   func([]byte, []frame)
		says string
	}{
		"an unknown version": {says: "use the version of ncloudfs that wrote it", do: func(journal []byte, all []frame) {
			copy(all[0].payload[bytes.Index(all[0].payload, []byte(`"version":`))+10:], "9")
			all[0].seal(journal)
		}},
		"another source": {says: "use another --stage-dir", do: func(journal []byte, all []frame) {
			copy(all[0].payload[bytes.Index(all[0].payload, []byte(`"data"`)):], `"date"`)
			all[0].seal(journal)
		}},
		"no journal": {says: "move it away", do: func(journal []byte, _ []frame) { copy(journal, random(len(journal))) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := leaveFiles(t)
			l.damage(t, bad.do)
			before := l.content(t)
			out, code := run(t, l.s.command(t, root(), "mount", "-f", l.s.bucket, root().dir(t), "--stage-dir="+l.stage))
			if code != 1 || strings.Count(strings.TrimSpace(out), "\n") != 0 {
				t.Errorf("exit code %d, and not one line: %s", code, out)
			}
			says(t, out, bad.says)
			says(t, out, l.path(t, "journal"))
			if l.content(t) != before {
				t.Error("the stage directory was changed")
			}
		})
	}
}
