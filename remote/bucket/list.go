package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"ncloudfs/remote"
)

// ListOptions says how a list is printed.
type ListOptions struct {
	Out  io.Writer
	JSON bool // an array of objects with name and created, instead of a table
}

// List prints the account's buckets.
func List(ctx context.Context, c *remote.Client, o ListOptions) error {
	buckets, err := c.Buckets(ctx)
	if err != nil {
		return fmt.Errorf("list buckets at %s: %w", c.Endpoint(), err)
	}
	if o.JSON {
		type row struct {
			Name    string    `json:"name"`
			Created time.Time `json:"created"`
		}
		rows := make([]row, 0, len(buckets)) // no buckets are [], not null
		for _, b := range buckets {
			rows = append(rows, row{b.Name, b.Created.UTC()})
		}
		return printJSON(o.Out, rows)
	}
	w := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	for _, b := range buckets {
		fmt.Fprintf(w, "%s\t%s\n", b.Name, b.Created.Local().Format("2006-01-02 15:04:05"))
	}
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
