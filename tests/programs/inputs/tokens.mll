(* The words of a small language, for ocamllex. *)
{
  open Printf
  exception Strange of char
  let depth = ref 0
}

let digit = ['0'-'9']
let letter = ['a'-'z' 'A'-'Z' '_']
let exponent = ['e' 'E'] ['+' '-']? digit+

rule token = parse
  | [' ' '\t' '\r']+                                { token lexbuf }
  | '\n'                                            { Lexing.new_line lexbuf; token lexbuf }
  | "(*"                                            { depth := 1; comment lexbuf; token lexbuf }
  | digit+ '.' digit* exponent? as text             { sprintf "float %s" text }
  | "0x" ['0'-'9' 'a'-'f']+ | digit+ as text        { sprintf "int %s" text }
  | "let" | "in" | "if" | "then" | "else" as word   { sprintf "keyword %s" word }
  | letter (letter | digit)* as name                { sprintf "name %s" name }
  | '"'                                             { string (Buffer.create 16) lexbuf }
  | ":=" | "<=" | "->" | ['+' '-' '*' '/' '=' ';']  { sprintf "sign %s" (Lexing.lexeme lexbuf) }
  | eof                                             { raise End_of_file }
  | _ as c                                          { raise (Strange c) }

and comment = parse
  | "(*"  { incr depth; comment lexbuf }
  | "*)"  { decr depth; if !depth > 0 then comment lexbuf }
  | eof   { failwith "comment" }
  | _     { comment lexbuf }

and string buffer = parse
  | '"'                { sprintf "string %S" (Buffer.contents buffer) }
  | '\\' (_ as c)      { Buffer.add_char buffer c; string buffer lexbuf }
  | [^ '"' '\\']+ as s { Buffer.add_string buffer s; string buffer lexbuf }
