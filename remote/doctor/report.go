package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Status says how a check ended.
type Status string

// The ways of a check.
const (
	OK      Status = "ok"
	Failed  Status = "failed"  // a mount cannot do without
	Absent  Status = "absent"  // a mount does without
	Unknown Status = "unknown" // could not be found out
	Skipped Status = "skipped" // an earlier check failed
)

// Finding is what one check has found.
type Finding struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Effect string `json:"effect,omitempty"` // what ncloudfs does about it
}

// mark is the status in a table.
func (s Status) mark() string {
	switch s {
	case OK:
		return "✓"
	case Failed:
		return "✗"
	case Absent:
		return "·"
	case Unknown:
		return "?"
	}
	return "-"
}

// add takes a finding in, and prints it unless all are printed as JSON.
func (e *examination) add(f Finding) {
	f.Found = strings.Join(strings.Fields(f.Found), " ")
	if f.Status == Failed {
		e.failed++
	}
	e.findings = append(e.findings, f)
	if e.JSON {
		return
	}
	text := f.Found
	if f.Effect != "" {
		text += "; " + f.Effect
	}
	fmt.Fprintf(e.Out, "%s %-16s %s\n", f.Status.mark(), f.Name, text)
}

// printJSON prints all that was found.
func (e *examination) printJSON() error {
	enc := json.NewEncoder(e.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Endpoint string    `json:"endpoint"`
		Bucket   string    `json:"bucket"`
		Checks   []Finding `json:"checks"`
	}{e.client.Endpoint(), e.Bucket, e.findings})
}
