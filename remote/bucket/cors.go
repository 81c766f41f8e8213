package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"ncloudfs/remote"
)

// GetCORS prints a bucket's rules as a document that SetCORS takes: XML, as
// s3cmd has it, or with JSON set as the AWS CLI has it.
func GetCORS(ctx context.Context, c *remote.Client, name string, o ListOptions) error {
	cors, err := c.CORS(ctx, name)
	if remote.CodeOf(err) == remote.NoSuchCORSConfiguration {
		return fmt.Errorf("bucket %s has no CORS rules: browsers let no page of another origin use it", name)
	}
	if err != nil {
		return err
	}
	if o.JSON {
		return printJSON(o.Out, cors)
	}
	doc, err := xml.MarshalIndent(cors, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(o.Out, "%s\n", doc)
	}
	return err
}

// maxCORS bounds a file of rules, in bytes (S3: 64 KB).
const maxCORS = 64 << 10

// SetCORS replaces a bucket's rules by those of a file, in either form of
// GetCORS; "-" is in.
func SetCORS(ctx context.Context, c *remote.Client, name, file string, in io.Reader) error {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxCORS+1))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	cors, err := parseCORS(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return c.SetCORS(ctx, name, cors)
}

func parseCORS(text []byte) (*remote.CORS, error) {
	cors := &remote.CORS{}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) > maxCORS:
		return nil, fmt.Errorf("rules have at most %d bytes", maxCORS)
	case bytes.HasPrefix(text, []byte("<")):
		if err := xml.Unmarshal(text, cors); err != nil {
			return nil, fmt.Errorf("not a CORSConfiguration: %w", err)
		}
	default:
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(cors); err != nil {
			return nil, fmt.Errorf(`neither XML (<CORSConfiguration>) nor JSON ({"CORSRules": [...]}): %w`, err)
		}
	}
	if len(cors.Rules) == 0 {
		return nil, errors.New("it has no rules: `ncloudfs bucket cors delete` removes those of a bucket")
	}
	cors.XMLName = xml.Name{Local: "CORSConfiguration"}
	return cors, nil
}

// errRefused makes the exit code of a preflight that a browser would not pass.
var errRefused = errors.New("a browser would refuse the request")

// TestCORS sends the preflight of a request for an object and prints what a
// browser would do. The error says that it would refuse.
func TestCORS(ctx context.Context, c *remote.Client, p remote.Path, q remote.Preflight, out io.Writer) error {
	q.Method = strings.ToUpper(q.Method)
	a, err := c.Preflight(ctx, p, q)
	if err != nil {
		return err
	}
	show := func(what, text string) { fmt.Fprintf(out, "%-16s %s\n", what, text) }
	show("asked", fmt.Sprintf("may a page of %s send %s %s", q.Origin, q.Method, p))
	if a.Refused == nil {
		show("allowed origin", orNone(a.AllowedOrigin))
		show("allowed methods", orNone(strings.Join(a.AllowedMethods, ", ")))
		show("allowed headers", orNone(strings.Join(a.AllowedHeaders, ", ")))
	}
	if why := a.Verdict(q); why != "" {
		return fmt.Errorf("%w: %s: see `ncloudfs bucket cors get %s`", errRefused, why, p.Bucket)
	}
	show("verdict", "a browser would send the request; the ACL decides what it gets")
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
