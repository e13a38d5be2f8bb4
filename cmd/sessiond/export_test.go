package main

// Main is the program, for tests that start it in processes of their own.
var Main = main
