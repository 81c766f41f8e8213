package daemon

import (
	"context"
	"log/slog"
	"log/syslog"
)

// systemLog is a slog.Handler that writes each record with the severity of its
// level. The system's log adds time and severity itself.
type systemLog struct {
	debug, info, warning, err slog.Handler
}

// severity is one way to write to the system's log.
type severity func(string) error

func (s severity) Write(line []byte) (int, error) { return len(line), s(string(line)) }

func newSystemLog(o LogOptions, w *syslog.Writer) *systemLog {
	return &systemLog{
		debug:   o.handler(severity(w.Debug), withoutStamp),
		info:    o.handler(severity(w.Info), withoutStamp),
		warning: o.handler(severity(w.Warning), withoutStamp),
		err:     o.handler(severity(w.Err), withoutStamp),
	}
}

// withoutStamp drops time and level of a record.
func withoutStamp(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
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

// Enabled is slog.Handler's.
func (l *systemLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.at(level).Enabled(ctx, level)
}

// Handle is slog.Handler's.
func (l *systemLog) Handle(ctx context.Context, r slog.Record) error {
	return l.at(r.Level).Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (l *systemLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return l.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup is slog.Handler's.
func (l *systemLog) WithGroup(name string) slog.Handler {
	return l.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (l *systemLog) each(f func(slog.Handler) slog.Handler) *systemLog {
	return &systemLog{debug: f(l.debug), info: f(l.info), warning: f(l.warning), err: f(l.err)}
}
