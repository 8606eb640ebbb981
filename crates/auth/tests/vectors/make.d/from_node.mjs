// Better Auth, bcryptjs (which many Node servers use), and Firebase's scrypt: its published example, and hashes of ours
// made with the parameters of that example.
import { readFileSync } from "node:fs";
import { hashPassword } from "better-auth/crypto";
import bcrypt from "bcryptjs";
import { FirebaseScrypt } from "firebase-scrypt";

const PLAIN = "four unrelated gravel words";
const FOREIGN = "\ufb01ve h\u00f6lzerne St\u00fchle \u2603";
const LONG = "x".repeat(71) + "\u00e4" + " and a tail that bcrypt does not see";

const version = (name) => {
  const path = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${JSON.parse(readFileSync(path)).version}`;
};
const vector = (tool, scheme, password, hash, wrapped) =>
  console.log(JSON.stringify({ tool, scheme, password, hash, wrapped }));

for (const password of [PLAIN, FOREIGN, LONG]) {
  vector(version("better-auth"), "better-auth scrypt", password, await hashPassword(password), false);
}
for (const password of [PLAIN, FOREIGN]) {
  vector(version("bcryptjs"), "bcrypt", password, bcrypt.hashSync(password, 10), false);
}

// https://github.com/firebase/scrypt, "Password Hashing": its password, salt and hash.
const project = {
  memCost: 14,
  rounds: 8,
  saltSeparator: "Bw==",
  signerKey: "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
};
const written = (salt, hash) =>
  `$fbscrypt$v=1,n=${project.memCost},r=${project.rounds},p=1,ss=${project.saltSeparator},sk=${project.signerKey}$${salt}$${hash}`;
vector(
  "firebase/scrypt, the example of its README",
  "firebase scrypt",
  "user1password",
  written(
    "42xEC+ixf3L2lw==",
    "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
  ),
  true,
);
const firebase = new FirebaseScrypt(project);
for (const [password, salt] of [[PLAIN, "c2FsdCBhbmQgcGVwcGVy"], [FOREIGN, "Li4uYW5kIHZpbmVnYXI="]]) {
  vector(version("firebase-scrypt"), "firebase scrypt", password, written(salt, await firebase.hash(password, salt)), true);
}
