module sterna.test/programs

go 1.24
