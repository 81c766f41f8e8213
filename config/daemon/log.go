package daemon

import (
	"context"
	"fmt"
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

func (o LogOptions) handler(w interface{ Write([]byte) (int, error) }, timed bool) slog.Handler {
	ho := &slog.HandlerOptions{Level: o.Level}
	if !timed {
		ho.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		}
	}
	if o.JSON {
		return slog.NewJSONHandler(w, ho)
	}
	return slog.NewTextHandler(w, ho)
}

// Terminal logs to the standard error.
func Terminal(o LogOptions) *slog.Logger {
	return slog.New(o.handler(os.Stderr, true))
}

// System logs to the system's log where there is one, else to the file, which
// is below stateDir and the caller's to close; it also takes what is written
// to the standard error. Directory and file are for their owner only.
func System(o LogOptions, stateDir string) (*slog.Logger, *os.File, error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("log file: %w: make %s writable or set XDG_STATE_HOME", err, stateDir)
	}
	name := filepath.Join(stateDir, "ncloudfs.log")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("log file: %w", err)
	}
	if w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "ncloudfs"); err == nil {
		return slog.New(newSystemLog(o, w)), file, nil
	}
	return slog.New(o.handler(file, true)), file, nil
}

// systemLog is a slog.Handler that gives each record the severity of its
// level. The system's log adds time and severity itself.
type systemLog struct {
	debug, info, warning, err slog.Handler
}

// severity is one way to write to the system's log.
type severity func(string) error

func (s severity) Write(line []byte) (int, error) { return len(line), s(string(line)) }

func newSystemLog(o LogOptions, w *syslog.Writer) *systemLog {
	return &systemLog{
		debug:   o.handler(severity(w.Debug), false),
		info:    o.handler(severity(w.Info), false),
		warning: o.handler(severity(w.Warning), false),
		err:     o.handler(severity(w.Err), false),
	}
}

func (l *systemLog) at(level slog.Level) slog.Handler {
	switch {
	case level >= slog.LevelError:
		return l.err
	case level >= slog.LevelWarn:
		return l.warning
	case level >= slog.LevelInfo:
		return l.info
	}
	return l.debug
}

func (l *systemLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.at(level).Enabled(ctx, level)
}

func (l *systemLog) Handle(ctx context.Context, r slog.Record) error {
	return l.at(r.Level).Handle(ctx, r)
}

func (l *systemLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return l.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (l *systemLog) WithGroup(name string) slog.Handler {
	return l.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (l *systemLog) each(f func(slog.Handler) slog.Handler) *systemLog {
	return &systemLog{debug: f(l.debug), info: f(l.info), warning: f(l.warning), err: f(l.err)}
}
