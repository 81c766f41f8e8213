package control

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/docker/go-units"

	"ncloudfs/cache"
)

// list prints what is pending.
func (o *PendingOptions) list(places []*place) error {
	if o.JSON {
		return o.listJSON(places)
	}
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	for _, p := range places {
		if len(p.pending) == 0 {
			continue
		}
		if o.Mountpoint == "" {
			fmt.Fprintf(w, "%s at %s:\n", p.about.Source, p.about.Origin.Endpoint)
		}
		fmt.Fprintln(w, "PATH\tSIZE\tSTATE\tAGE\tSENT\tID\tERROR")
		for _, c := range p.pending {
			fmt.Fprintln(w, strings.Join(p.row(c), "\t"))
		}
	}
	return w.Flush()
}

func (p *place) row(c cache.Pending) []string {
	sent := ""
	if c.Size > 0 && c.Sent > 0 {
		sent = fmt.Sprintf("%d%%", 100*min(c.Sent, c.Size)/c.Size)
	}
	return []string{printable(p.path(c)), units.BytesSize(float64(c.Size)), string(c.State),
		units.HumanDuration(max(time.Since(c.Since), 0)), sent, c.ID, printable(strings.ReplaceAll(c.Error, "\n", "; "))}
}

// row is an element of the list as JSON.
type row struct {
	Source string `json:"source"`
	Path   string `json:"path"` // in the mount
	cache.Pending
}

func (o *PendingOptions) listJSON(places []*place) error {
	rows := []row{} // nothing is [], not null
	for _, p := range places {
		for _, c := range p.pending {
			rows = append(rows, row{p.about.Source, p.path(c), c})
		}
	}
	e := json.NewEncoder(o.Out)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}

// printable quotes what would not be seen as it is, or could move the cursor.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
