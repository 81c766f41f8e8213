package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LogOptions says what is logged and how.
type LogOptions struct {
	Level slog.Level
	JSON  bool // lines of JSON instead of key=value
}

// Log is where the process logs to.
type Log struct {
	*slog.Logger

	// File takes what is written to the standard error once the process is
	// in the background: a crash. It is the log itself where the machine has
	// no system log. In the foreground it is the standard error.
	File *os.File
}

// OpenLog opens the log, which stays open as long as the process: the standard error in the foreground, that is without
// a parent, else the system's log, else a file below stateDir. Directory and
// file are for their owner only.
func OpenLog(o LogOptions, parent *Parent, stateDir string) (*Log, error) {
	if parent == nil {
		return &Log{slog.New(o.handler(os.Stderr, nil)), os.Stderr}, nil
	}
	file, err := openLogFile(stateDir)
	if err != nil {
		return nil, err
	}
	if w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "ncloudfs"); err == nil {
		return &Log{slog.New(newSystemLog(o, w)), file}, nil
	}
	return &Log{slog.New(o.handler(file, nil)), file}, nil
}

func openLogFile(stateDir string) (*os.File, error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("log file: %w: make the directory writable, or set XDG_STATE_HOME to one that is", err)
	}
	name := filepath.Join(stateDir, "ncloudfs.log")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return file, nil
}

// handler writes records to w.
func (o LogOptions) handler(w io.Writer, replace func([]string, slog.Attr) slog.Attr) slog.Handler {
	ho := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: replace}
	if o.JSON {
		return slog.NewJSONHandler(w, ho)
	}
	return slog.NewTextHandler(w, ho)
}
