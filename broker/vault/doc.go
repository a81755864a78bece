// Package vault keeps secrets at rest: one file, vault.age, that holds every
// record in one JSON document, encrypted to one age identity of the hybrid
// post-quantum kind (ML-KEM-768 with X25519, age 1.3). The identity rests in the
// keyring of the operating system or, under a passphrase and age's scrypt, in
// identity.age. The package does not know what records mean; broker does.
//
// A caller begins with Open and holds the agent's lock until Close: there is one
// writer. Get reads from memory; Update writes each change through, durably and
// whole (see File.write for the order on disk), and keeps the generation before in
// vault.age.prev. The package starts goroutines for calls to the keyring only, and
// waits for them up to Options.KeyringTimeout: a keyring call that never returns
// keeps its goroutine.
//
// There is no fall-back from one back end to the other and none from a damaged
// vault to an empty one. Errors carry a hint.Error.
//
// # What an attacker with the disk can and cannot read
//
// With the files alone (a stolen disk, a backup, a synced folder): that there is a
// vault, how large it is, when it was last written, where its
// identity rests, and for identity.age the scrypt work factor. Not the names or
// number of records, nor any of their content; and not later either, once quantum
// computers can undo X25519. Under the passphrase back end all rests on the
// passphrase: whoever has identity.age can try passphrases, about a second each
// on this machine and less on theirs. Under the keyring back end it rests on how
// the keyring protects its own file (the sign-in password, as a rule). Old
// generations stay readable to whoever gets the identity later: it does not change
// with each write, nor when it moves.
//
// Who can write to the disk can put an older generation in place, which is noticed
// while the vault is open only, or destroy the vault, which always is. Changing, adding or taking away a part
// is noticed: nothing can be written that opens without the recipient, which is
// kept with the identity.
//
// A program that runs as the same user can ask the keyring for the identity, on
// most systems without a question, or read the agent's memory. The vault does not
// protect against it. On Linux the identity crosses the user's session bus
// unencrypted, as go-keyring has it.
//
// # Linux
//
// Before go-keyring is called, a private connection to the session bus finds out
// whether it would meet a prompt. A process that was started without
// DBUS_SESSION_BUS_ADDRESS looks for the bus in the runtime folder; if it is there,
// the package sets the variable for the whole process, once.
package vault
