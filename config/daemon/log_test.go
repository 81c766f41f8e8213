package daemon

import (
	"fmt"
	"log/slog"
	"log/syslog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSystemLogGetsTheSeverityOfEachRecord(t *testing.T) {
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "log"), Net: "unixgram"}
	listener, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w, err := syslog.Dial("unixgram", address.Name, syslog.LOG_DAEMON|syslog.LOG_INFO, "ncloudfs")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	log := slog.New(newSystemLog(LogOptions{Level: slog.LevelDebug}, w)).With("mount", "x")
	for level, severity := range map[slog.Level]syslog.Priority{
		slog.LevelDebug: syslog.LOG_DEBUG, slog.LevelInfo: syslog.LOG_INFO,
		slog.LevelWarn: syslog.LOG_WARNING, slog.LevelError: syslog.LOG_ERR,
	} {
		log.Log(t.Context(), level, "hello", "key", "value")
		if err := listener.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 1024)
		n, err := listener.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		got := string(line[:n])
		if want := fmt.Sprintf("<%d>", syslog.LOG_DAEMON|severity); !strings.HasPrefix(got, want) || !strings.Contains(got, "msg=hello mount=x key=value") {
			t.Errorf("%v: got %q, want severity %s", level, got, want)
		}
	}
}
