package test

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/fs/control"
	"ncloudfs/remote/emulator"
)

func TestStatusSaysWhatIsNotInTheBucketYet(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	p := m.start(t)
	if said := m.ncloudfs(t, 0, "status", m.path); !strings.Contains(said, "nothing") || !strings.Contains(said, m.path) {
		t.Errorf("before: %s", said)
	}
	repair := server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	if err := p.writeFile("a", "content"); !theMode().writeBack {
		fails(t, "close", err, unix.EACCES)
	}
	if said := m.ncloudfs(t, 0, "status", m.path); !strings.Contains(said, "7B, 0B sent; changes: 1,") {
		t.Errorf("a failed upload: %s", said)
	}
	var status control.Status
	if err := json.Unmarshal([]byte(m.ncloudfs(t, 0, "status", "--json", m.path)), &status); err != nil {
		t.Fatal(err)
	}
	if status.Mountpoint != m.path || status.State != control.StateMounted || status.Backlog.Changes != 1 || status.Backlog.Bytes != 7 {
		t.Errorf("as JSON: %+v", status)
	}
	repair()
	m.ncloudfs(t, 0, "sync", m.path)
	if said := m.ncloudfs(t, 0, "status", m.path); !strings.Contains(said, "nothing") {
		t.Errorf("after: %s", said)
	}
	m.ncloudfs(t, 1, "status", t.TempDir())
}
