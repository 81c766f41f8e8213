package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"

	"ncloudfs/cache"
	"ncloudfs/fs"
)

// Status says which mount answers and how it is.
type Status struct {
	Version    string           `json:"version"`
	PID        int              `json:"pid"`
	Source     string           `json:"source"` // as mountinfo shows it
	Origin     cache.Source     `json:"origin"`
	Mountpoint string           `json:"mountpoint"` // empty: a directory without a mount
	StageDir   string           `json:"stageDir"`
	DrainTime  Duration         `json:"drainTime"` // how long its end waits for uploads
	State      string           `json:"state"`
	Backlog    cache.Backlog    `json:"backlog"`
	Memory     cache.Usage      `json:"memory"`
	Nodes      int              `json:"nodes"`             // that the kernel knows
	Renames    []cache.Progress `json:"renames,omitempty"` // of directories, under way
	Escaped    int              `json:"escaped"`           // names, of those known, that stand for keys which are no paths
	ACLsLost   int64            `json:"aclsLost"`          // objects that got the default ACL because theirs could not be read or not be set again
}

// The states of a mount.
const (
	StateMounted  = "mounted"
	StateDraining = "draining" // unmounted; what is left is on its way to the bucket
)

// StatusOptions says which mount is looked at.
type StatusOptions struct {
	Mountpoint string
	JSON       bool
	Out        io.Writer
}

// ShowStatus prints what a mount does.
func ShowStatus(ctx context.Context, o StatusOptions) error {
	d, err := fs.FindDaemon(o.Mountpoint)
	if err != nil {
		return err
	}
	s, err := Dial(d).Status(ctx)
	if err != nil {
		return err
	}
	if o.JSON {
		e := json.NewEncoder(o.Out)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	s.print(w)
	return w.Flush()
}

func (s *Status) print(w io.Writer) {
	line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	size := func(bytes int64) string { return units.BytesSize(float64(bytes)) }
	line("source", "%s at %s", printable(s.Source), s.Origin.Endpoint)
	line("directory", "%s", printable(s.Mountpoint))
	line("state", "%s, by process %d, version %s", s.State, s.PID, s.Version)
	b := s.Backlog
	if b.Changes == 0 {
		line("to upload", "nothing")
	} else {
		line("to upload", "%s, %s sent; changes: %d, the oldest %s ago; see ncloudfs pending", size(b.Bytes), size(b.Sent), b.Changes,
			units.HumanDuration(max(time.Since(b.Oldest), 0)))
	}
	if b.Kept > 0 {
		line("kept", "files that are not uploaded by themselves: %d; see ncloudfs pending", b.Kept)
	}
	line("stage", "%s", printable(s.StageDir))
	m := s.Memory
	line("memory", "%s of %s: %s of objects, %s on their way, %s of names", size(m.Blocks+m.Bodies+m.Names), size(m.Limit), size(m.Blocks), size(m.Bodies), size(m.Names))
	line("names", "known to the kernel: %d", s.Nodes)
	for _, r := range s.Renames {
		line("renaming", "%s to %s: %d of %d objects are copied, %d originals deleted", printable(r.From), printable(r.To), r.Copied, r.Objects, r.Deleted)
	}
	if s.Escaped > 0 {
		line("escaped", "names that stand for keys which are no paths: %d", s.Escaped)
	}
	if s.ACLsLost > 0 {
		line("ACLs lost", "objects that are private now, since the keys may not read or set the ACL that they had: %d", s.ACLsLost)
	}
}
