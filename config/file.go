package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"ncloudfs/remote"
)

// file is a configuration file: options by name, and perhaps keys.
type file struct {
	path      string
	values    values
	accessKey string
	secretKey remote.Secret
}

// credentials are the keys in it.
func (f *file) credentials() remote.Credentials {
	return remote.Credentials{AccessKey: f.accessKey, SecretKey: f.secretKey, Source: f.path}
}

// readFile reads a YAML mapping of option names to plain values. Its errors
// name lines, never their text, which may be a key.
func readFile(path string) (*file, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--config %s: is not a file", path)
	}
	const most = 1 << 20 // options fill a few lines
	text, err := io.ReadAll(io.LimitReader(opened, most))
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	f := &file{path: path, values: values{}}
	if err := f.parse(text); err != nil {
		return nil, err
	}
	if f.hasKeys() {
		return f, f.checkPrivate(info)
	}
	return f, nil
}

func (f *file) hasKeys() bool { return f.accessKey != "" || f.secretKey != "" }

// checkPrivate refuses keys that others could read or have put there.
func (f *file) checkPrivate(info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("--config %s: holds keys but has mode %04o: run chmod 600 %s", f.path, info.Mode().Perm(), f.path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fmt.Errorf("--config %s: holds keys but belongs to user %d: it must be yours or root's", f.path, st.Uid)
	}
	if f.accessKey == "" || f.secretKey == "" {
		return fmt.Errorf("--config %s: access-key and secret-key must stand together", f.path)
	}
	return nil
}

func (f *file) parse(text []byte) error {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		var bad yaml.Error
		if errors.As(err, &bad) && bad.GetToken() != nil {
			return fmt.Errorf("%s: not valid YAML", f.at(bad.GetToken()))
		}
		return fmt.Errorf("--config %s: not valid YAML", f.path)
	}
	for _, doc := range tree.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		case *ast.MappingNode:
			for _, entry := range body.Values {
				if err := f.addEntry(entry); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s: must be lines of the form option: value", f.at(body.GetToken()))
		}
	}
	return nil
}

func (f *file) addEntry(entry *ast.MappingValueNode) error {
	name := entry.Key.GetToken().Value
	where := f.at(entry.Key.GetToken()) + ": " + strconv.Quote(name)
	value, err := plainValue(entry.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	switch name {
	case "access-key":
		f.accessKey = value
		return nil
	case "secret-key":
		f.secretKey = remote.Secret(value)
		return nil
	case "config":
		return fmt.Errorf("%s: a file cannot name another", where)
	}
	o := allOptions().find(name)
	if o == nil {
		return allOptions().unknown("option in --config "+f.path, name)
	}
	return f.values.add(o, value, where)
}

// plainValue returns a value as it is written: 022 stays three digits, and is
// not the octal number that YAML makes of it.
func plainValue(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode, *ast.NullNode:
		return "", errors.New("must be one value on its line")
	case ast.ScalarNode:
		return n.GetToken().Value, nil
	}
	return "", errors.New("must be one value on its line")
}

func (f *file) at(t *token.Token) string {
	return fmt.Sprintf("--config %s line %d", f.path, t.Position.Line)
}
