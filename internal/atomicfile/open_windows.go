package atomicfile

// Nonblock is nothing here: pipes have names of their own.
const Nonblock = 0
