package main

// terminal is the path of the console that the program runs in.
const terminal = "CONOUT$"

// hush does nothing: a console shows what is typed when it is read, and by then
// it has been told not to.
func hush(int) error { return nil }
