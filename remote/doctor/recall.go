package doctor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"ncloudfs/remote"
)

// Memory is where what was found about endpoints is kept: a small JSON file
// for each, below DIR/findings.
type Memory struct {
	Dir string // the state directory; empty: nothing is kept
}

// known is the file of an endpoint.
type known struct {
	Endpoint string          `json:"endpoint"`
	Findings remote.Findings `json:"findings"`
}

func (m Memory) file(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return filepath.Join(m.Dir, "findings", hex.EncodeToString(sum[:8])+".json")
}

// Recall returns what was found about an endpoint; nothing when that cannot be
// read, because a mount can do without.
func (m Memory) Recall(endpoint string) remote.Findings {
	var k known
	b, err := os.ReadFile(m.file(endpoint))
	if m.Dir == "" || err != nil || json.Unmarshal(b, &k) != nil || k.Endpoint != endpoint {
		return remote.Findings{}
	}
	return k.Findings
}

// Remember replaces what is kept about an endpoint.
func (m Memory) Remember(endpoint string, f remote.Findings) error {
	name := m.file(endpoint)
	if f == (remote.Findings{}) {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	b, err := json.Marshal(known{endpoint, f})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(b, '\n'))
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// Client returns a client that makes use of what was found about its endpoint,
// and takes it back when the service says otherwise.
func (m Memory) Client(o remote.Options) (*remote.Client, error) {
	c, err := remote.New(o)
	if err != nil {
		return nil, err
	}
	endpoint := c.Endpoint()
	o.Findings = m.Recall(endpoint)
	o.OnFindings = func(f remote.Findings) {
		if err := m.Remember(endpoint, f); err != nil && o.Logger != nil {
			o.Logger.Warn("what was found about the service cannot be corrected: run `ncloudfs doctor` again", "err", err)
		}
	}
	return remote.New(o)
}
