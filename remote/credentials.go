package remote

// Credentials are the keys that requests are signed with.
type Credentials struct {
	AccessKey string
	SecretKey Secret
	Anonymous bool   // sign nothing: what is public can be read
	Source    string // where they were found, for messages
}
