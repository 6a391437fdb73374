# Installs Hearth for this user on Windows: downloads the executable of the
# newest release, compares its SHA-256 with the release's list, and puts it
# into %LOCALAPPDATA%\Programs\Hearth, which is added to the user's PATH.
# Nothing is left behind if any of that fails.
#
#   HEARTH_BIN      another directory to put it into
#   HEARTH_VERSION  another release than the newest, such as 0.1.0
#   HEARTH_RELEASES where releases are, for mirrors

function Stop-Install([string]$What, [string]$Advice) {
  throw "$What`nhint: $Advice"
}

function Install-Hearth {
  $ErrorActionPreference = 'Stop'
  $ProgressPreference = 'SilentlyContinue' # else downloads take ten times as long
  # What Windows PowerShell offers by itself may be too old for GitHub.
  [Net.ServicePointManager]::SecurityProtocol =
    [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

  $releases = if ($env:HEARTH_RELEASES) { $env:HEARTH_RELEASES }
              else { 'https://github.com/@repository@/releases' }
  $base = if ($env:HEARTH_VERSION) { "$releases/download/v$env:HEARTH_VERSION" }
          else { "$releases/latest/download" }
  $bin = if ($env:HEARTH_BIN) { $env:HEARTH_BIN }
         else { Join-Path $env:LOCALAPPDATA 'Programs\Hearth' }
  $target = 'x86_64-pc-windows-msvc'

  try {
    New-Item -ItemType Directory -Force -Path $bin | Out-Null
  } catch {
    Stop-Install "Cannot write to ${bin}: $($_.Exception.Message)" `
      'set HEARTH_BIN to a directory of yours'
  }
  $part = Join-Path $bin 'hearth.part.exe'
  try {
    # GitHub serves the list as bytes, which Windows PowerShell does not decode.
    $sums = (New-Object Net.WebClient).DownloadString("$base/SHA256SUMS")
    $line = $sums -split "`n" |
      Where-Object { $_ -match "^([0-9a-f]{64})  (hearth-[\w.-]+-$target\.exe)$" } |
      Select-Object -First 1
    if (-not $line) {
      Stop-Install "Cannot find an executable for $target in $base/SHA256SUMS" `
        'build from sources: deno task compile'
    }
    $sum, $name = $line.Trim() -split '\s+', 2
    Write-Host "downloading $name"
    Invoke-WebRequest -UseBasicParsing -Uri "$base/$name" -OutFile $part
    $found = (Get-FileHash -Algorithm SHA256 -Path $part).Hash.ToLower()
    if ($found -ne $sum) {
      Stop-Install "Cannot trust ${name}: its SHA-256 is $found, expected $sum" `
        'try again'
    }
    $version = try { & $part --version } catch { $null }
    if (-not $version -or $LASTEXITCODE -ne 0) {
      Stop-Install "Cannot run $name on this system" `
        'build from sources: deno task compile'
    }
    Move-Item -Force -Path $part -Destination (Join-Path $bin 'hearth.exe')
  } finally {
    Remove-Item -Force -ErrorAction SilentlyContinue -Path $part
  }

  $path = [Environment]::GetEnvironmentVariable('Path', 'User')
  if (($path -split ';') -notcontains $bin) {
    [Environment]::SetEnvironmentVariable('Path', "$bin;$path", 'User')
    Write-Host "added $bin to your PATH; it holds in new terminals"
  }
  Write-Host "installed $version as $(Join-Path $bin 'hearth.exe')"
  Write-Host 'Try it: hearth demo'
}

# Called last, so that a download of this script that is cut short does nothing.
try {
  Install-Hearth
} catch {
  $message = $_.Exception.Message
  if ($message -notmatch "`nhint: ") {
    $message = "Cannot install: $message`n" +
      'hint: check the network; HEARTH_RELEASES names a mirror'
  }
  [Console]::Error.WriteLine("error: $message")
  # `exit` would close the window of who typed `irm URL | iex`.
  if ($PSCommandPath) { exit 1 }
  throw 'Hearth is not installed'
}
