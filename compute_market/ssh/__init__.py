"""The door for ssh clients: `ssh 17@hub -p 2222` opens a shell in lease 17."""
